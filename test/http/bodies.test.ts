import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { limits } from '../../src/core/limits.ts';
import { eventually } from '../support/eventually.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { codeOf, serveApi } from './served-api.ts';

const path = '/v1/executions/one';
const good = '{"step":"toy","with":{}}';

test('only JSON in UTF-8, not compressed, is taken', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const put = (headers: Record<string, string>) => api.call('PUT', path, { body: good, headers });
  for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;Charset="UTF-8"']) {
    assert.ok((await put({ 'content-type': type })).status < 300, type);
  }
  for (const type of [
    '',
    'text/plain',
    'application/jsonx',
    'application/json; charset=utf-16',
    'multipart/form-data',
  ]) {
    assert.equal(codeOf(await put({ 'content-type': type })), 'unsupported-media-type', type);
  }
  assert.equal(codeOf(await put({ 'content-encoding': 'gzip' })), 'unsupported-media-type');
});

test('a body over the limit is refused, however it is sent; one at the limit is read', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const bodyOf = (bytes: number) => good.slice(0, -1).concat(' '.repeat(bytes - good.length), '}');
  async function* chunks(body: string) {
    for (let i = 0; i < body.length; i += 50_000) yield Buffer.from(body.slice(i, i + 50_000));
  }
  assert.equal((await api.call('PUT', path, { body: bodyOf(limits.bodyBytes) })).status, 201);
  assert.equal((await api.call('PUT', path, { body: chunks(bodyOf(limits.bodyBytes)) })).status, 200);
  for (const body of [bodyOf(limits.bodyBytes + 1), bodyOf(3_000_000), bodyOf(6_000_000)]) {
    assert.equal(codeOf(await api.call('PUT', path, { body })), 'body-too-large', `${body.length} bytes`);
    assert.equal(
      codeOf(await api.call('PUT', path, { body: chunks(body) })),
      'body-too-large',
      `${body.length} in chunks`,
    );
  }
});

test('bodies that come in pieces share 32 MiB; those that come whole need none of it', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const { port } = new URL(api.server.url);
  const head = `PUT ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n`;
  const answers: Promise<string>[] = [];
  const sockets = Array.from({ length: limits.bodiesBytes / limits.bodyBytes + 1 }, () => {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    t.after(() => socket.destroy());
    answers.push(once(socket, 'data').then(String));
    // All but its end.
    socket.write(`${head}Content-Length: ${limits.bodyBytes}\r\n\r\n${' '.repeat(limits.bodyBytes - 1)}`);
    return socket;
  });
  assert.match(await Promise.race(answers), /^HTTP\/1.1 503 /);
  assert.equal((await api.call('PUT', path, { body: good })).status, 201);

  for (const socket of sockets) socket.destroy();
  async function* cut() {
    yield good.slice(0, 5);
    yield good.slice(5);
  }
  await eventually(
    () => api.call('PUT', path, { body: cut() }),
    ({ status }) => status === 200,
  );
});

test('a body that goes on and on is cut off', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const socket = connect(Number(new URL(api.server.url).port), '127.0.0.1');
  socket.write(
    `PUT ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  for (let sent = 0; sent < 4 * 1024 * 1024; sent += 0x10000) socket.write(`10000\r\n${' '.repeat(0x10000)}\r\n`);
  socket.write('1\r\n \r\n');
  const answer = await text(socket);
  assert.match(answer, /^HTTP\/1.1 413 /);
  assert.match(answer, /connection: close/i);
});

test('what is not JSON is refused with its place', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const [body, place] of [
    ['{"step":"toy",}', 'line 1, column 15'],
    ['{\n  "step": toy\n}', 'line 2, column 11'],
    ['', 'line 1, column 1'],
    ['{} {}', 'line 1, column 4'],
    ['{"step":"toy","with":{}', 'line 1, column 24'],
  ] as const) {
    const answer = await api.call('PUT', path, { body });
    assert.equal(answer.status, 400);
    assert.equal(codeOf(answer), 'malformed-json');
    assert.ok(String(answer.json.detail).includes(place), `${body}: ${answer.json.detail}`);
  }
  const notUtf8 = await api.call('PUT', path, { body: Uint8Array.of(0x22, 0xff, 0x22) });
  assert.equal(codeOf(notUtf8), 'malformed-json');
});

test('JSON that has no canonical form, reaches for prototypes or is too deep is refused with its path', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const nested = (levels: number) => `{"step":"toy","with":{"a":${'['.repeat(levels - 2)}${']'.repeat(levels - 2)}}}`;
  for (const [body, pointer] of [
    ['{"step":"toy","with":{"n":1e999}}', '/with/n'],
    ['{"step":"toy","with":{"a/b":["\\ud800"]}}', '/with/a~1b/0'],
    ['{"step":"toy","with":{"\\udc00":1}}', '/with'],
    ['{"step":"toy","with":{"__proto__":{"polluted":true}}}', '/with/__proto__'],
    ['{"__proto__":{}}', '/__proto__'],
    [nested(65), `/with/a${'/0'.repeat(62)}`],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, '/0'.repeat(64)],
    ['[]', ''],
    ['null', ''],
    ['"text"', ''],
    ['17', ''],
  ] as const) {
    for (const [method, at] of [
      ['PUT', path],
      ['POST', '/v1/executions'],
      ['POST', '/v1/steps/toy:plan'],
    ] as const) {
      const answer = await api.call(method, at, { body });
      assert.equal(codeOf(answer), 'invalid-parameters', `${method} ${at} ${body.slice(0, 80)}`);
      assert.equal((answer.json.errors as { path: string }[])[0]?.path, pointer, body.slice(0, 80));
    }
  }
  assert.equal((await api.call('PUT', path, { body: nested(64) })).status, 201);
  assert.equal(
    (await api.call('PUT', '/v1/executions/two', { body: '{"step":"toy","with":{"a":"\\u0000\\ud83d\\ude00"}}' }))
      .status,
    201,
  );
});

test('whatever is sent, the server has no fault of its own', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const seed = chooseSeed();
  t.diagnostic(`seed ${seed}`);
  const { below, chance, pick } = seededRandom(seed);
  const value = (depth: number): unknown =>
    depth > 4
      ? null
      : pick<() => unknown>([
          () => pick(['toy', 'planned', '', '\0', '\ud800', '__proto__', '10m', 'x'.repeat(300), 'default', 'A/b']),
          () => pick([0, -0, 1e308, -1, 0.1, true, false, null]),
          () => Array.from({ length: 3 }, () => value(depth + 1)),
          () => object(depth + 1),
        ])();
  const keys = [
    'step',
    'with',
    'origin',
    'timeout',
    'failurePolicy',
    'kind',
    'namespace',
    'name',
    'sessionID',
    '__proto__',
    'constructor',
    '\0',
  ] as const;
  const object = (depth: number) =>
    Object.fromEntries(Array.from({ length: below(5) }, () => [pick(keys), value(depth)]));
  for (let round = 0; round < 300; round++) {
    let body: string = JSON.stringify(chance(0.8) ? { step: 'toy', with: {}, ...object(0) } : value(0));
    if (chance(0.3)) body = body.slice(0, below(body.length)) + pick(['', '}', '"', '\\', '\0', '1e999']);
    const at = pick([
      path,
      '/v1/executions',
      '/v1/steps/toy:plan',
      '/v1/steps/__proto__:plan',
      '/v1/executions/one:cancel',
    ]);
    const query = pick([
      '',
      '?namespace=default',
      '?namespace=%00',
      '?namespace=',
      '?namespace[]=a',
      '?%',
      '?__proto__=a',
      '?&&==',
    ]);
    const answer = await api.call(at === path ? 'PUT' : 'POST', at + query, { body });
    assert.ok(answer.status < 500, `seed ${seed}: ${at}${query} ${body} → ${answer.text}`);
  }
});

test('a refusal that leaves a short body unread keeps the connection', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const refused = await api.call('PUT', path, { body: good, headers: { 'content-type': 'text/plain' } });
  assert.equal(refused.headers.connection, 'keep-alive');
  async function* endless() {
    for (;;) yield Buffer.alloc(65_536, ' ');
  }
  const cutOff = await api.call('PUT', path, { body: endless(), headers: { 'content-type': 'text/plain' } });
  assert.equal(cutOff.headers.connection, 'close');
});
