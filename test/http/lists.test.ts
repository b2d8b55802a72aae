import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGlob } from '../../src/core/glob.ts';
import type { Authenticate } from '../../src/http/authenticate.ts';
import { type Answer, codeOf, type ServedApi, serveApi, storeWith, success } from './served-api.ts';

function callerOf(namespaces: readonly string[]): Authenticate {
  const may = (_verb: string, namespace: string) => namespaces.some((glob) => matchesGlob(glob, namespace));
  return () => ({ name: 'ann', may, namespacesFor: () => namespaces });
}

function idsOf({ json }: Answer): unknown[] {
  return (json.items as { id: string }[]).map(({ id }) => id);
}

/** Each later one is newer. */
async function putIn(api: ServedApi, namespace: string, id: string, body: object = { step: 'toy', with: {} }) {
  api.clock.advance(1_000);
  const answer = await api.call('PUT', `/v1/executions/${id}?namespace=${namespace}`, { body });
  assert.equal(answer.status, 201);
}

const list = (api: ServedApi, query = '') => api.call('GET', `/v1/executions${query}`);

test('executions are listed newest first, by default those of our own namespace', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  assert.deepEqual((await list(api)).json, { items: [] });
  for (const id of ['a', 'b', 'c']) await putIn(api, 'default', id);
  await putIn(api, 'other', 'd');
  assert.deepEqual(idsOf(await list(api)), ['c', 'b', 'a']);
  assert.deepEqual(idsOf(await list(api, '?namespace=other')), ['d']);
  assert.deepEqual(idsOf(await list(api, '?namespace=*')), ['d', 'c', 'b', 'a']);
});

test('lists are narrowed by step, state and origin', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const origin = { kind: 'Application', namespace: 'default', name: 'web', step: 'smoke', sessionID: 's' };
  await putIn(api, 'default', 'waits');
  await putIn(api, 'default', 'ends');
  await api.goOn('ends', success);
  await putIn(api, 'default', 'plans', { step: 'planned', with: { tags: ['a'] } });
  await api.ended('plans');
  await putIn(api, 'default', 'works', { step: 'toy', with: {}, origin });
  for (const id of ['waits', 'works']) await api.untilWaiting(id);
  for (const [query, ids] of [
    ['?step=planned', ['plans']],
    ['?step=none', []],
    ['?state=running', ['works', 'waits']],
    ['?state=succeeded&step=toy', ['ends']],
    ['?state=running,succeeded', ['works', 'plans', 'ends', 'waits']],
    ['?state=running&state=succeeded', ['works', 'plans', 'ends', 'waits']],
    ['?state=failed,cancelled', []],
    ['?origin=Application/default/web', ['works']],
    ['?origin=Application/default/web/smoke', ['works']],
    ['?origin=Application/default/web/other', []],
    ['?origin=WorkflowRun/default/web', []],
  ] as const) {
    assert.deepEqual(idsOf(await list(api, query)), ids, query);
  }
});

test('pages follow each other without a gap or a repeat, also while others are added', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const id of ['a', 'b', 'c', 'd', 'e']) await putIn(api, 'default', id);
  const first = await list(api, '?limit=2');
  assert.deepEqual(idsOf(first), ['e', 'd']);
  await putIn(api, 'default', 'f');
  const second = await list(api, `?limit=2&continue=${encodeURIComponent(String(first.json.continue))}`);
  assert.deepEqual(idsOf(second), ['c', 'b']);
  const third = await list(api, `?limit=2&continue=${encodeURIComponent(String(second.json.continue))}`);
  assert.deepEqual(idsOf(third), ['a']);
  assert.equal(third.json.continue, undefined);
});

test('mistakes in the query are refused', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  for (const query of [
    '?limit=0',
    '?limit=501',
    '?limit=1.5',
    '?limit=',
    '?limit=1e2',
    '?state=done',
    '?state=',
    '?state=running,',
    '?origin=Application',
    '?origin=Application/default',
    '?origin=Pod/default/web',
    '?origin=Application//web',
    '?continue=made-up',
    '?continue=',
  ]) {
    const answer = await list(api, query);
    assert.equal(codeOf(answer), 'invalid-query', query);
  }
});

test('a caller sees the namespaces that it may read and no others', async (t) => {
  let namespaces = ['*'];
  const api = await serveApi(() => ({ authenticate: (headers) => callerOf(namespaces)(headers) }));
  t.after(api.close);
  for (const [namespace, id] of [
    ['shop-a', 'a1'],
    ['bank', 'b1'],
    ['shop-b', 'b1'],
    ['default', 'd1'],
    ['bank', 'b2'],
    ['shop-a', 'a2'],
  ] as const) {
    await putIn(api, namespace, id);
  }
  namespaces = ['shop-*'];
  assert.deepEqual(idsOf(await list(api, '?namespace=*')), ['a2', 'b1', 'a1']);
  assert.deepEqual(idsOf(await list(api, '?namespace=shop-b')), ['b1']);
  for (const query of ['', '?namespace=bank', '?namespace=none']) {
    const answer = await list(api, query);
    assert.equal(answer.status, 403, query);
    assert.equal(codeOf(answer), 'forbidden', query);
  }
  const paged: unknown[] = [];
  let next = '';
  do {
    const page = await list(api, `?namespace=*&limit=1${next}`);
    paged.push(...idsOf(page));
    next = page.json.continue === undefined ? '' : `&continue=${encodeURIComponent(String(page.json.continue))}`;
  } while (next !== '');
  assert.deepEqual(paged, ['a2', 'b1', 'a1']);
  namespaces = ['bank', 'default'];
  assert.deepEqual(idsOf(await list(api, '?namespace=*')), ['b2', 'd1', 'b1']);
  namespaces = [];
  const refused = await list(api, '?namespace=*');
  assert.deepEqual([refused.status, refused.json.detail], [403, 'ann may not list executions in all namespaces']);
});

test('a caller who may read little of much gets short pages, never an endless search', async (t) => {
  let namespaces = ['*'];
  let reads = 0;
  const api = await serveApi(({ store }) => ({
    authenticate: (headers) => callerOf(namespaces)(headers),
    store: storeWith(store, {
      list(filter, page) {
        reads++;
        return store.list(filter, page);
      },
    }),
  }));
  t.after(api.close);
  await putIn(api, 'shop-a', 'first');
  for (let i = 0; i < 25; i++) await putIn(api, 'bank', `b${i}`);
  namespaces = ['shop-*'];
  const page = await list(api, '?namespace=*&limit=1');
  assert.deepEqual(idsOf(page), []);
  assert.equal(reads, 20);
  const next = await list(api, `?namespace=*&limit=1&continue=${encodeURIComponent(String(page.json.continue))}`);
  assert.deepEqual(idsOf(next), ['first']);
});
