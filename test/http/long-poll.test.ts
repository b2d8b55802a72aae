import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { codeOf, type ServedApi, serveApi, storeWithGap, success } from './served-api.ts';

const longPolls = (api: ServedApi) => api.metric('aftersync_http_long_polls');

/** The server tells when a request has begun to wait, and when it has ceased to. */
async function untilOpen(api: ServedApi, count: number): Promise<void> {
  const ask = () => longPolls(api);
  await eventually(ask, (open) => open === count);
}

test('a wait is answered at the final state, and not at the changes before', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  const waiting = api.call('GET', '/v1/executions/one?wait=30s');
  await untilOpen(api, 1);
  await api.goOn('one', { kind: 'waiting', message: 'half way' });
  assert.equal(await longPolls(api), 1);
  await api.goOn('one', success);
  const { status, json } = await waiting;
  assert.equal(status, 200);
  assert.equal(json.state, 'succeeded');
  assert.equal(await longPolls(api), 0);
});

test('a wait is answered with the state at the time given', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  await api.goOn('one', { kind: 'waiting', message: 'half way' });
  const waiting = api.call('GET', '/v1/executions/one?wait=1m');
  await untilOpen(api, 1);
  api.clock.advance(59_999);
  assert.equal(await longPolls(api), 1);
  api.clock.advance(1);
  assert.equal((await waiting).json.message, 'half way');
});

test('a wait for what has ended, for no time, or for nothing is answered at once', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  assert.equal((await api.call('GET', '/v1/executions/one?wait=0s')).status, 200);
  await api.goOn('one', success);
  assert.equal((await api.call('GET', '/v1/executions/one?wait=60s')).json.state, 'succeeded');
  assert.equal(codeOf(await api.call('GET', '/v1/executions/none?wait=60s')), 'not-found');
  assert.equal(await longPolls(api), 0);
});

test('an end between the subscription and the read is not lost', async (t) => {
  const api = await serveApi(({ store }) => ({ store: storeWithGap(store, () => api.goOn('one', success)) }));
  t.after(api.close);
  await api.put('one');
  assert.equal((await api.call('GET', '/v1/executions/one?wait=60s')).json.state, 'succeeded');
});

test('a wait for what is deleted ends, for there is nothing more to come', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  await api.untilWaiting('one');
  const waiting = api.call('GET', '/v1/executions/one?wait=60s');
  await untilOpen(api, 1);
  const key = { namespace: 'default', id: 'one' };
  const { version } = (await api.store.get(key)) ?? assert.fail();
  await api.store.delete(key, version);
  assert.equal(codeOf(await waiting), 'not-found');
});

test('a wait that is too long or no duration is refused', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const wait of ['61s', '2m', '', '10', 'forever', '-1s', '99999999999999999999h']) {
    assert.equal(codeOf(await api.call('GET', `/v1/executions/one?wait=${wait}`)), 'invalid-query', wait);
  }
});

test('a client that goes away gives its place back', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  const gone = new AbortController();
  const waiting = api.call('GET', '/v1/executions/one?wait=60s', { signal: gone.signal });
  await untilOpen(api, 1);
  gone.abort();
  await assert.rejects(waiting);
  await untilOpen(api, 0);
});

test('above the bound a wait is refused, and a plain read is not', async (t) => {
  const api = await serveApi(() => ({ bounds: { longPolls: 2 } }));
  t.after(api.close);
  await api.put('one');
  const waiting = [1, 2].map(() => api.call('GET', '/v1/executions/one?wait=60s'));
  await untilOpen(api, 2);
  const refused = await api.call('GET', '/v1/executions/one?wait=60s');
  assert.equal(refused.status, 429);
  assert.equal(codeOf(refused), 'too-many-waits');
  assert.equal(refused.headers['retry-after'], '5');
  assert.equal((await api.call('GET', '/v1/executions/one')).status, 200);
  await api.goOn('one', success);
  for (const answer of await Promise.all(waiting)) assert.equal(answer.json.state, 'succeeded');
});

test('a server that stops answers waits with the state as it is', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  const waiting = api.call('GET', '/v1/executions/one?wait=60s');
  await untilOpen(api, 1);
  const closed = api.server.close();
  assert.equal((await waiting).status, 200);
  await closed;
});
