import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, serveApi } from './served-api.ts';

const body = { step: 'toy', with: { tags: ['shop'] } };

test('an execution is put under each spelling of its path, and each repeat finds it', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const paths = ['/v1/executions/one', '/v1/executions/one?namespace=default', '/v1/executions/on%65'];
  const answers = [];
  for (const path of [...paths, ...paths]) answers.push(await api.call('PUT', path, { body }));
  assert.deepEqual(
    answers.map(({ status, json }) => [status, json.id]),
    [201, 200, 200, 200, 200, 200].map((status) => [status, 'one']),
  );
});

test('whatever a PUT brings is answered alike on the short way and through the routes', async (t) => {
  let isBroken = false;
  const api = await serveApi(({ engine }) => ({
    allowedHosts: ['localhost'],
    engine: {
      ...engine,
      accept: (submission) => (isBroken ? Promise.reject(new Error('broken')) : engine.accept(submission)),
    },
  }));
  t.after(api.close);
  for (const path of ['/v1/executions/one', '/v1/executions/on%65']) {
    const put = (given: object | string, headers: Record<string, string> = {}, query = '') =>
      api.call('PUT', path + query, { body: given, headers: { host: 'localhost', ...headers } });
    assert.equal(codeOf(await put(body, { host: 'evil.example' })), 'host-not-allowed');
    assert.equal(codeOf(await put(body, { 'content-type': 'text/plain' })), 'unsupported-media-type');
    assert.equal(codeOf(await put('{')), 'malformed-json');
    assert.equal(codeOf(await put({ ...body, step: 'none' })), 'unknown-step');
    assert.equal(codeOf(await put(body, {}, '?nmespace=default')), 'invalid-query');
    isBroken = true;
    const failed = await put(body);
    isBroken = false;
    assert.equal(codeOf(failed), 'internal');
    assert.ok(String(failed.json.detail).includes(String(failed.headers['x-request-id'])));
  }
});

test('a path that is nearly an execution is none', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const [path, code] of [
    ['/v1/executions/one/', 'not-found'],
    ['/v1/executions/', 'not-found'],
    ['/V1/executions/one', 'not-found'],
    ['/v1/executions/One', 'invalid-id'],
    ['/v1/executions/-one', 'invalid-id'],
    ['/v1/executions/x-one', 'invalid-id'],
    ['/v1/executions/%', 'invalid-id'],
    ['/v1/executions/one:cancel', 'method-not-allowed'],
  ] as const) {
    assert.equal(codeOf(await api.call('PUT', path, { body })), code, path);
  }
});
