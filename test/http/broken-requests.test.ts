import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { problems } from '../../src/core/problem.ts';
import { type ServedApi, serveApi } from './served-api.ts';

const json = 'Host: a\r\nContent-Type: application/json\r\n';
const body = '{"step":"toy","with":{}}';

async function open(t: TestContext): Promise<{ api: ServedApi; dial: (bytes: string) => Socket }> {
  const api = await serveApi();
  t.after(api.close);
  return {
    api,
    dial(bytes) {
      const socket = connect(Number(new URL(api.server.url).port), '127.0.0.1');
      socket.write(bytes, 'latin1');
      return socket;
    },
  };
}

/** The answers on a connection, by status and code. */
function answersIn(received: string): string[] {
  return received
    .split(/(?=HTTP\/1\.1 \d)/)
    .map((answer) => `${answer.slice(9, 12)} ${/"code":"([^"]+)"/.exec(answer)?.[1] ?? ''}`.trim());
}

test('what is not HTTP is refused with a problem, and the connection closed', async (t) => {
  const { api, dial } = await open(t);
  for (const [bytes, code] of [
    ['\0\0\0\0\r\n\r\n', 'malformed-request'],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'malformed-request'],
    ['GET\r\n\r\n', 'malformed-request'],
    ['BREW /v1/steps HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
    ['GET /v1/steps HTTP/1.1\r\n\r\n', 'malformed-request'],
    [`GET /${'x'.repeat(17_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 'headers-too-large'],
    [`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(17_000)}\r\n\r\n`, 'headers-too-large'],
    [`PUT /v1/executions/a HTTP/1.1\r\n${json}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`, 'malformed-request'],
    [
      `PUT /v1/executions/a HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n`,
      'malformed-request',
    ],
    [`PUT /v1/executions/a HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 'malformed-request'],
  ] as const) {
    const received = await text(dial(bytes));
    assert.deepEqual(answersIn(received), [`${problems[code].status} ${code}`], JSON.stringify(bytes.slice(0, 60)));
    assert.match(received, /\r\nContent-Type: application\/problem\+json\r\n/);
    assert.match(received, /\r\nConnection: close\r\n/i);
  }
  assert.equal((await api.call('GET', '/healthz')).status, 200);
});

test('a whole request gets its own answer, never the refusal of the bytes behind it', async (t) => {
  const { api, dial } = await open(t);
  await api.put('waits');
  const socket = dial(
    `PUT /v1/executions/one HTTP/1.1\r\n${json}Content-Length: ${body.length}\r\n\r\n${body}GET /v1/executions/waits?wait=60s HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n`,
  );
  const received = text(socket);
  await once(socket, 'readable');
  socket.write('more nonsense\r\n\r\n');
  // There and back, so that it is read: a connection that is closed over unread bytes is reset.
  await api.call('GET', '/healthz');
  await api.goOn('waits', { kind: 'succeeded', outputs: {}, message: 'over' });
  assert.deepEqual(answersIn(await received), ['201', '200']);
});

test('a Content-Length that is too short is told by what was read of the body', async (t) => {
  const { dial } = await open(t);
  const received = await text(dial(`PUT /v1/executions/a HTTP/1.1\r\n${json}Content-Length: 9\r\n\r\n${body}`));
  assert.deepEqual(answersIn(received), ['400 malformed-json']);
});

test('a broken body behind a request that is still being answered ends the connection without an answer to either', async (t) => {
  const { api, dial } = await open(t);
  await api.put('waits');
  const received = text(
    dial(
      `GET /v1/executions/waits?wait=60s HTTP/1.1\r\nHost: a\r\n\r\nPUT /v1/executions/a HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    ),
  );
  assert.equal(await received, '');
});

test('an expectation that the server does not know is not refused', async (t) => {
  const { dial } = await open(t);
  const received = await text(dial('GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n'));
  assert.deepEqual(answersIn(received), ['200']);
});

test('a refused request without a body keeps its connection', async (t) => {
  const { dial } = await open(t);
  const requests = ['DELETE /v1/steps', 'GET /v2', 'GET /v1/executions/%', 'GET /healthz'];
  const last = 'GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
  const received = await text(dial(requests.map((line) => `${line} HTTP/1.1\r\nHost: a\r\n\r\n`).join('') + last));
  const expected = ['405 method-not-allowed', '404 not-found', '400 invalid-id', '200', '200'];
  assert.deepEqual(answersIn(received), expected);
});
