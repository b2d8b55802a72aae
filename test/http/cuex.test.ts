import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import { Problem } from '../../src/core/problem.ts';
import type { HttpDependencies } from '../../src/http/app.ts';
import { type Answer, type Call, codeOf, type ServedApi, serveApi, storeWith, success } from './served-api.ts';

const origin = { kind: 'Application', namespace: 'shop', name: 'web', step: 'smoke', sessionID: 'one' };
const params = { with: { a: 1 }, origin };

async function open(t: TestContext, changes: (parts: HttpDependencies) => Partial<HttpDependencies> = () => ({})) {
  const api = await serveApi(changes);
  t.after(api.close);
  return api;
}

function callStep(api: ServedApi, body: Call['body'] = params, step = 'toy', headers = {}): Promise<Answer> {
  return api.call('POST', `/v1/cuex/${step}`, { ...(body !== undefined && { body }), headers });
}

/** What a step's CUE sees of it. */
function seenIn({ json }: Answer) {
  return { state: json.state, final: json.final, message: json.message, outputs: json.outputs };
}

test('a call creates the execution of its session and returns it as it stands, until its end and after it', async (t) => {
  const api = await open(t);
  const there = { ...params, origin: { ...origin, namespace: 'default' } };
  const first = await callStep(api, there);
  assert.equal(first.status, 200);
  assert.match(String(first.headers['content-type']), /^application\/json/);
  assert.deepEqual(seenIn(first), { state: 'pending', final: false, message: 'accepted', outputs: {} });
  assert.equal(first.headers.location, undefined);
  const stored = await api.call('GET', '/v1/executions/one');
  assert.deepEqual([stored.json.step, stored.json.origin], ['toy', there.origin]);

  await api.goOn('one', success);
  const last = await callStep(api, there);
  assert.deepEqual(seenIn(last), { state: 'succeeded', final: true, message: 'all done', outputs: { answer: 42 } });
  const { final, ...execution } = last.json;
  assert.deepEqual(execution, (await api.call('GET', '/v1/executions/one')).json);
  assert.equal(last.json.createdAt, first.json.createdAt);
});

test('it is the same execution as that of a PUT, whichever comes first', async (t) => {
  const api = await open(t);
  const put = (id: string) =>
    api.call('PUT', `/v1/executions/${id}`, {
      body: { step: 'toy', ...params, origin: { ...origin, sessionID: id } },
    });
  assert.equal((await put('one')).status, 201);
  assert.equal((await callStep(api)).json.id, 'one');
  assert.equal((await callStep(api, { ...params, origin: { ...origin, sessionID: 'two' } })).json.id, 'two');
  assert.equal((await put('two')).status, 200);
  assert.equal(((await api.call('GET', '/v1/executions?namespace=shop')).json.items as unknown[]).length, 2);
});

test('what stands beside the parameters counts', async (t) => {
  const api = await open(t);
  const { json } = await callStep(api, { ...params, timeout: '5m', failurePolicy: 'ignore' });
  assert.equal(Date.parse(String(json.deadline)) - Date.parse(String(json.createdAt)), 5 * 60_000);
  const { request } = (await api.store.get({ namespace: 'shop', id: 'one' })) ?? assert.fail();
  assert.equal(request.failurePolicy, 'ignore');
});

test('who proves origins is told of each answer, and asks for no credential', async (t) => {
  const told: string[] = [];
  const api = await open(t, () => ({
    workflowOrigins: { asked: ({ id }) => told.push(id) },
    authenticate: () => {
      throw new Problem('unauthenticated', 'send a token');
    },
  }));
  for (const tick of [1, 2]) assert.equal((await callStep(api)).json.error, undefined, `tick ${tick}`);
  assert.deepEqual(told, ['one', 'one']);
});

/** What a package can send, and what the step's CUE is to see of it: that it is refused, or is to ask again. */
const refused: readonly (readonly [
  title: string,
  code: string,
  body: Call['body'],
  step?: string,
  headers?: object,
])[] = [
  ['no body', 'unsupported-media-type', '', 'toy', { 'content-type': '' }],
  ['an empty body', 'malformed-json', ''],
  ['a body that is cut', 'malformed-json', '{"with": {'],
  ['a body that is not UTF-8', 'malformed-json', new Uint8Array([0x22, 0xff, 0x22])],
  ['a list', 'invalid-parameters', '[]'],
  ['no params', 'invalid-parameters', 'null'],
  ['values that nothing may keep', 'invalid-parameters', `{"with": ${'['.repeat(100)}${']'.repeat(100)}}`],
  ['a large body', 'body-too-large', { ...params, with: { a: 'x'.repeat(256 * 1024) } }],
  ['a body that is not read to its end', 'body-too-large', 'x'.repeat(5 * 1024 * 1024)],
  ['another content', 'unsupported-media-type', 'a=1', 'toy', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['no origin', 'invalid-parameters', { with: {} }],
  ['an origin that is none', 'invalid-parameters', { with: {}, origin: null }],
  ['an origin without its session', 'invalid-parameters', { with: {}, origin: { ...origin, sessionID: undefined } }],
  ['no parameters of the step', 'invalid-parameters', { origin }],
  ['a step beside the one of the path', 'invalid-parameters', { ...params, step: 'planned' }],
  ['a key that is not known', 'invalid-parameters', { ...params, tags: [] }],
  ['a time-out that is none', 'invalid-parameters', { ...params, timeout: 'soon' }],
  ['parameters that the step refuses', 'invalid-parameters', params, 'planned'],
  ['a session that is no id', 'invalid-id', { ...params, origin: { ...origin, sessionID: 'One' } }],
  ['a session with an id of ours', 'invalid-id', { ...params, origin: { ...origin, sessionID: 'x-one' } }],
  ['a namespace that is none', 'invalid-parameters', { ...params, origin: { ...origin, namespace: 'a/b' } }],
  ['a step that is not there', 'unknown-step', params, 'other'],
  ['a step with a space', 'unknown-step', params, 'to%20y'],
  ['a step with an odd percent', 'invalid-id', params, '%zz'],
  ['a query', 'invalid-query', params, 'toy?namespace=shop'],
];

test('whatever is wrong with a call is told in a JSON object with status 200, as a failed step', async (t) => {
  const api = await open(t);
  for (const [title, code, body, step, headers] of refused) {
    const answer = await callStep(api, body, step, headers);
    assert.equal(answer.status, 200, title);
    assert.match(String(answer.headers['content-type']), /^application\/json/, title);
    const error = answer.json.error as JsonObject;
    assert.equal(error?.code, code, `${title}: ${answer.text}`);
    assert.ok(Number(error.status) >= 400 && Number(error.status) < 500, title);
    assert.deepEqual(seenIn(answer), { state: 'failed', final: true, message: error.detail, outputs: {} }, title);
  }
  assert.deepEqual((await api.call('GET', '/v1/executions?namespace=shop')).json.items, []);
});

test('a mistake is named with its place', async (t) => {
  const { json } = await callStep(await open(t), { with: {}, origin: { ...origin, sessionID: undefined }, tag: 'a' });
  assert.equal(
    json.message,
    '/tag is not a known key; /origin/sessionID is missing: expected a string of at least 1 to 63 characters'.replace(
      'at least ',
      '',
    ),
  );
});

test('another step or origin under the same session is a conflict', async (t) => {
  const api = await open(t);
  await callStep(api);
  for (const [body, step] of [
    [{ ...params, with: { tags: ['a'] } }, 'planned'],
    [{ ...params, origin: { ...origin, step: 'other' } }, 'toy'],
  ] as const) {
    const { json } = await callStep(api, body, step);
    assert.deepEqual([(json.error as JsonObject).code, json.final], ['id-conflict', true]);
  }
});

const throwing = (problem: Error) => () => {
  throw problem;
};

test('callers who are not known, who may not, or whose origin cannot be proven, fail', async (t) => {
  for (const [code, changes] of [
    ['unauthenticated', { authenticate: throwing(new Problem('unauthenticated', 'send a token')) }],
    ['forbidden', { authenticate: () => ({ name: 'ann', may: () => false, namespacesFor: () => [] }) }],
    ['origin-not-supported', { workflowOrigins: 'refused' }],
    ['host-not-allowed', { allowedHosts: ['elsewhere'] }],
  ] as const) {
    const answer = await callStep(await open(t, () => changes));
    const { error, final, state } = answer.json;
    assert.deepEqual([answer.status, (error as JsonObject).code, state, final], [200, code, 'failed', true]);
    assert.equal(answer.headers['www-authenticate'], undefined);
  }
});

test('what may pass is asked again, with a message that stays the same', async (t) => {
  for (const [code, changes] of [
    ['unavailable', () => ({ authenticate: throwing(new Problem('unavailable', 'the cluster is away')) })],
    [
      'unavailable',
      ({ store }: HttpDependencies) => ({
        store: storeWith(store, {}),
        engine: engineThat(new Problem('unavailable', 'x')),
      }),
    ],
    ['too-many-executions', () => ({ engine: engineThat(new Problem('too-many-executions', 'n')) })],
    ['internal', () => ({ engine: engineThat(new Error('secret')) })],
  ] as const) {
    const api = await open(t, changes as () => Partial<HttpDependencies>);
    const answer = await callStep(api);
    assert.equal(answer.status, 200);
    assert.equal((answer.json.error as JsonObject).code, code);
    const message = 'aftersync cannot answer now; asking again';
    assert.deepEqual(seenIn(answer), { state: 'pending', final: false, message, outputs: {} });
    assert.doesNotMatch(answer.text, /secret/);
    assert.equal(/secret/.test(api.logLines.join('')), code === 'internal', 'the log tells the cause');
  }
});

test('a path that no step can have is answered so, too, though no call of the API has it', async (t) => {
  const api = await open(t);
  for (const path of ['/v1/cuex/', '/v1/cuex/toy/more']) {
    const { statusCode, body } = await api.pool.request({ method: 'POST', path, body: '{}' });
    const answer = (await body.json()) as JsonObject;
    assert.deepEqual([statusCode, (answer.error as JsonObject).code, answer.final], [200, 'not-found', true]);
  }
});

test('a request without a Host header is answered so, too', async (t) => {
  const api = await open(t);
  const socket = connect(Number(new URL(api.server.url).port), '127.0.0.1');
  socket.write('POST /v1/cuex/toy HTTP/1.1\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}');
  const received = await text(socket);
  assert.match(received, /^HTTP\/1\.1 200 /);
  assert.match(received, /"code":"malformed-request"/);
});

test('only a POST is a call: other methods are refused as everywhere', async (t) => {
  const api = await open(t);
  const answer = await api.call('GET', '/v1/cuex/toy');
  assert.deepEqual([answer.status, codeOf(answer), answer.headers.allow], [405, 'method-not-allowed', 'POST']);
});

function engineThat(error: Error): HttpDependencies['engine'] {
  return { steps: [], accept: throwing(error) } as unknown as HttpDependencies['engine'];
}
