import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '../../src/core/problem.ts';
import type { HttpDependencies } from '../../src/http/app.ts';
import { ScriptedOrigins } from '../engine/scripted-origins.ts';
import { codeOf, serveApi, success } from './served-api.ts';

const origin = { kind: 'Application', namespace: 'shop', name: 'web', step: 'smoke', sessionID: 'abc' };

test('a PUT creates an execution, says where it is read, and a repeated one returns it as it stands', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const created = await api.put('one', { key: 'value' });
  assert.equal(created.status, 201);
  assert.equal(created.headers.location, '/v1/executions/one?namespace=default');
  assert.equal(created.json.state, 'pending');
  assert.equal(created.json.createdAt, new Date(api.clock.now()).toISOString());

  await api.goOn('one', { kind: 'waiting', message: 'half way' });
  const repeated = await api.put('one', { key: 'value' });
  assert.equal(repeated.status, 200);
  assert.equal(repeated.headers.location, undefined);
  assert.equal(repeated.json.state, 'running');
  assert.equal(repeated.json.message, 'half way');

  await api.goOn('one', success);
  const final = await api.put('one', { key: 'value' });
  assert.equal(final.json.state, 'succeeded');
  assert.deepEqual(final.json.outputs, { answer: 42 });
  const read = await api.call('GET', '/v1/executions/one');
  assert.deepEqual(read.json, final.json);
});

test('the same request in another form is the same; another request for the id is a conflict', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.call('PUT', '/v1/executions/one', { body: '{"step":"toy","with":{"a":1,"b":2}}' });
  const spaced = await api.call('PUT', '/v1/executions/one', { body: ' {"with": {"b":2, "a":1.0}, "step": "toy"}' });
  assert.equal(spaced.status, 200);
  const other = await api.call('PUT', '/v1/executions/one', { body: '{"step":"toy","with":{"a":2,"b":2}}' });
  assert.equal(other.status, 409);
  assert.equal(codeOf(other), 'id-conflict');
});

test('for a workflow origin the first record wins, also over a form that was answered before', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  assert.equal((await api.put('one', { a: 1 }, { origin })).status, 201);
  for (const a of [2, 1, 2]) {
    const again = await api.put('one', { a }, { origin });
    assert.equal(again.status, 200);
    assert.equal(again.json.namespace, 'shop');
    assert.deepEqual(again.json.origin, origin);
  }
  const otherStep = await api.put('one', { a: 1 }, { origin: { ...origin, step: 'other' } });
  assert.equal(codeOf(otherStep), 'id-conflict');
});

test('a workflow origin is refused where it cannot be proven', async (t) => {
  const api = await serveApi(() => ({ workflowOrigins: 'refused' }));
  t.after(api.close);
  for (const unproven of [origin, null, 'x']) {
    const answer = await api.put('one', {}, { origin: unproven });
    assert.equal(answer.status, 403);
    assert.equal(codeOf(answer), 'origin-not-supported');
  }
  assert.equal((await api.put('one')).status, 201);
});

test('only a whole origin stands in for a credential, and it learns nothing of what others asked', async (t) => {
  let mayAll = true;
  const changes = (): Partial<HttpDependencies> => ({
    workflowOrigins: { asked: () => {} },
    authenticate: () => {
      if (!mayAll) throw new Problem('unauthenticated', 'send a token');
      return { name: 'ann', may: () => true, namespacesFor: () => ['*'] };
    },
  });
  const api = await serveApi(changes, { origins: new ScriptedOrigins() });
  t.after(api.close);
  const path = '/v1/executions/one?namespace=shop';
  assert.equal((await api.call('PUT', path, { body: { step: 'toy', with: {} } })).status, 201);
  mayAll = false;
  for (const odd of [null, true, 0, '', 'x', [], [origin], {}, { ...origin, sessionID: 1 }, { ...origin, more: 1 }]) {
    const body = { step: 'toy', with: {}, origin: odd };
    const answer = await api.call('PUT', path, { body });
    assert.equal(codeOf(answer), 'invalid-parameters', JSON.stringify(odd));
    assert.match(answer.text, /"path":"\/origin/);
    assert.equal(codeOf(await api.call('POST', '/v1/executions?namespace=shop', { body })), 'unauthenticated');
  }
  const forged = await api.call('PUT', path, {
    body: { step: 'toy', with: {}, origin: { ...origin, sessionID: 'one' } },
  });
  assert.equal(codeOf(forged), 'id-conflict');
  assert.doesNotMatch(forged.text, /toy|recorded/);
  assert.equal(codeOf(await api.call('PUT', path, { body: { step: 'toy', with: {} } })), 'unauthenticated');
});

test('a request that is known to its workflow is told of each time, and to no other body', async (t) => {
  const told: string[] = [];
  const api = await serveApi(() => ({
    workflowOrigins: { asked: ({ id }) => told.push(id) },
    authenticate: () => {
      throw new Problem('unauthenticated', 'send a token');
    },
  }));
  t.after(api.close);
  for (const status of [201, 200, 200]) assert.equal((await api.put('one', {}, { origin })).status, status);
  assert.deepEqual(told, ['one', 'one', 'one']);
  assert.equal(codeOf(await api.put('one')), 'unauthenticated');
  assert.equal(codeOf(await api.call('GET', '/v1/executions/one?namespace=shop')), 'unauthenticated');
  assert.equal(codeOf(await api.call('POST', '/v1/executions/one:cancel?namespace=shop')), 'unauthenticated');
});

test('the namespace is that of the query, else of the origin, else our own', async (t) => {
  const api = await serveApi(() => ({ ownNamespace: 'ours' }));
  t.after(api.close);
  const body = { step: 'toy', with: {} };
  const namespaceOf = async (path: string, more: object = {}) =>
    (await api.call('PUT', path, { body: { ...body, ...more } })).json.namespace;
  assert.equal(await namespaceOf('/v1/executions/a'), 'ours');
  assert.equal(await namespaceOf('/v1/executions/a?namespace=theirs'), 'theirs');
  assert.equal(await namespaceOf('/v1/executions/a', { origin }), 'shop');
  assert.equal(await namespaceOf('/v1/executions/b?namespace=shop', { origin }), 'shop');

  const contradiction = await api.call('PUT', '/v1/executions/c?namespace=theirs', { body: { ...body, origin } });
  assert.equal(codeOf(contradiction), 'invalid-parameters');
  assert.equal(contradiction.status, 422);
  assert.match(contradiction.text, /"path":"\/origin\/namespace"/);

  assert.equal((await api.call('GET', '/v1/executions/a')).json.namespace, 'ours');
  assert.equal((await api.call('GET', '/v1/executions/b')).status, 404);
});

test('ids and namespaces that are no DNS labels are refused', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const body = { step: 'toy', with: {} };
  for (const id of [
    'A',
    '-a',
    'a-',
    'a_b',
    'a.b',
    'a'.repeat(64),
    'a%00',
    '%0a',
    'a%2Fb',
    'a%3Acancel',
    '%E2%98%83',
    '%',
    '%zz',
    '%ff',
  ]) {
    for (const method of ['PUT', 'GET']) {
      const answer = await api.call(method, `/v1/executions/${id}`, method === 'PUT' ? { body } : {});
      assert.equal(answer.status, 400, `${method} ${id}`);
      assert.equal(codeOf(answer), 'invalid-id', `${method} ${id}`);
    }
  }
  for (const namespace of ['', 'A', '*', 'a/b', '%00', 'a'.repeat(64)]) {
    const answer = await api.call('GET', `/v1/executions/a?namespace=${namespace}`);
    assert.equal(codeOf(answer), 'invalid-id', namespace);
  }
  assert.equal((await api.put('a'.repeat(63))).status, 201);
});

test('ids of ours cannot be chosen, but be read', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  assert.equal(codeOf(await api.put('x-mine')), 'invalid-id');
  const posted = await api.call('POST', '/v1/executions', { body: { step: 'toy', with: {} } });
  assert.equal(posted.status, 201);
  assert.match(String(posted.json.id), /^x-[a-z2-7]+$/);
  const read = await api.call('GET', String(posted.headers.location));
  assert.equal(read.json.id, posted.json.id);
});

test('a POST with an Idempotency-Key finds what it made; the key counts for its caller and namespace only', async (t) => {
  let name = 'ann';
  const api = await serveApi(() => ({ authenticate: () => ({ name, namespacesFor: () => ['*'], may: () => true }) }));
  t.after(api.close);
  const post = (key: string, query = '') =>
    api.call('POST', `/v1/executions${query}`, {
      body: { step: 'toy', with: {} },
      headers: { 'idempotency-key': key },
    });
  const first = await post('build 17');
  assert.equal(first.status, 201);
  const again = await post('build 17');
  assert.equal(again.status, 200);
  assert.equal(again.json.id, first.json.id);
  assert.equal(again.headers.location, first.headers.location);

  const ids = new Set([first.json.id]);
  ids.add((await post('build 18')).json.id);
  ids.add((await post('build 17', '?namespace=other')).json.id);
  name = 'bob';
  ids.add((await post('build 17')).json.id);
  assert.equal(ids.size, 4);
  // The parts are kept apart: neither pair may come to the same text.
  name = 'a';
  const left = await post('b","c');
  name = 'a","b';
  const right = await post('c');
  assert.notEqual(left.json.id, right.json.id);

  for (const key of ['', 'k'.repeat(256)]) assert.equal(codeOf(await post(key)), 'invalid-id');
  assert.equal((await post('k'.repeat(255))).status, 201);
});

test('a POST without a key creates a new execution each time', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const call = () => api.call('POST', '/v1/executions', { body: { step: 'toy', with: {} } });
  assert.notEqual((await call()).json.id, (await call()).json.id);
});

test('mistakes in a request are named all at once', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const answer = await api.call('PUT', '/v1/executions/one', {
    body: { step: 'toy', with: 7, timeout: 'long', extra: 1 },
  });
  assert.equal(answer.status, 422);
  assert.equal(answer.json.type, 'https://aftersync.dev/errors#invalid-parameters');
  const paths = (answer.json.errors as { path: string }[]).map(({ path }) => path);
  assert.deepEqual(paths.sort(), ['/extra', '/timeout', '/with']);
  const unknown = await api.call('PUT', '/v1/executions/one', { body: { step: 'none', with: {} } });
  assert.equal(codeOf(unknown), 'unknown-step');
});

test('a fault of ours is answered without its cause, which the log has under the request id', async (t) => {
  const api = await serveApi(({ engine }) => ({
    engine: { ...engine, accept: () => Promise.reject(new Error('password=hunter2')) },
  }));
  t.after(api.close);
  const answer = await api.put('one');
  assert.equal(answer.status, 500);
  assert.equal(codeOf(answer), 'internal');
  assert.doesNotMatch(answer.text, /hunter2/);
  const requestId = String(answer.headers['x-request-id']);
  assert.ok(answer.text.includes(requestId));
  assert.ok(api.logLines.some((line) => line.includes(requestId) && line.includes('hunter2')));
});

test('a refusal says when to come again', async (t) => {
  const api = await serveApi(({ engine }) => ({
    engine: {
      ...engine,
      accept: () => Promise.reject(new Problem('too-many-executions', 'full', { retryAfterSeconds: 9.2 })),
    },
  }));
  t.after(api.close);
  const answer = await api.put('one');
  assert.equal(answer.status, 429);
  assert.equal(answer.headers['retry-after'], '10');
});

test('paths and methods that there are not', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const path of [
    '/',
    '/v1',
    '/v1/executions/',
    '/v1/executions/a/',
    '/V1/executions',
    '/v1/Executions/a',
    '/v1/x?y=z',
    '//',
    '/%zz',
  ]) {
    const answer = await api.call('GET', path);
    assert.equal(answer.status, 404, path);
    assert.equal(codeOf(answer), 'not-found', path);
  }
  for (const [method, path, allow] of [
    ['DELETE', '/v1/executions/a', 'PUT, GET, HEAD'],
    ['POST', '/v1/executions/a', 'PUT, GET, HEAD'],
    ['PUT', '/v1/executions', 'POST, GET, HEAD'],
    ['GET', '/v1/executions/a:cancel', 'POST'],
    ['PUT', '/v1/executions/a:retry', 'POST'],
    ['OPTIONS', '/v1/steps', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ] as const) {
    const answer = await api.call(method, path);
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.equal(answer.headers.allow, allow, `${method} ${path}`);
  }
});

test('HEAD answers as GET does, without the body', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  const head = await api.call('HEAD', '/v1/executions/one');
  assert.equal(head.status, 200);
  assert.equal(head.text, '');
  for (const path of ['/v1/executions/one/events', '/v1/events']) {
    assert.equal((await api.call('HEAD', path)).status, 200, path);
  }
});

test('a query parameter that the call does not take, or takes once, is refused', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const path of [
    '/v1/executions/a?wiat=30s',
    '/v1/executions/a?namespace=a&namespace=b',
    '/v1/executions/a?__proto__=1',
    '/v1/executions/a?namespace[x]=1',
    '/v1/executions?limit=1&limit=2',
    '/v1/steps?namespace=default',
  ]) {
    const answer = await api.call('GET', path);
    assert.equal(answer.status, 400, path);
    assert.equal(codeOf(answer), 'invalid-query', path);
  }
});
