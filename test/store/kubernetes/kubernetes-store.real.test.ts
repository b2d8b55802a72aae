import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pino from 'pino';
import type { Execution } from '../../../src/core/execution.ts';
import { limits } from '../../../src/core/limits.ts';
import { ExecutionMissing, type ExecutionStore, ExecutionTooLarge, VersionConflict } from '../../../src/core/store.ts';
import { systemClock } from '../../../src/core/time.ts';
import { openKubernetesStore } from '../../../src/store/kubernetes/kubernetes-store.ts';
import { eventually } from '../../support/eventually.ts';
import type { Kubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { contractNamespaces, type OpenedStore, storeContract } from '../contract.ts';
import { failed, newExecution, running, t0 } from '../sample-executions.ts';
import { openClient, startClusterWithExecutions } from './cluster.ts';

let cluster: Kubernetes;
before(async () => {
  cluster = await startClusterWithExecutions(contractNamespaces);
});
after(() => cluster.close());

async function openEmpty(): Promise<OpenedStore> {
  const client = openClient(cluster);
  const open = () =>
    openKubernetesStore({
      api: client.api,
      writesPerSecond: 1_000,
      silenceLimitMs: 90_000,
      clock: systemClock,
      log: pino({ level: 'silent' }),
      random: Math.random,
    });
  let store = await open();
  return {
    store,
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
    async dispose() {
      await store.close();
      for (const namespace of contractNamespaces) {
        const path = `/apis/aftersync.dev/v1alpha1/namespaces/${namespace}/stepexecutions`;
        await cluster.request({ method: 'DELETE', path });
      }
      await client.close();
    },
  };
}

// The rest is for what the store itself keeps of a request.
storeContract('kubernetes', openEmpty, limits.objectRequestBytes - 1_024);

test('what waits for a signal is found at each process, until it ends or waits for something else', async () => {
  const { store, dispose } = await openEmpty();
  const second = await openSecond();
  const found = async (opened: ExecutionStore) =>
    ((await opened.waitingFor?.('github:github/acme/shop/7')) ?? []).map(({ id }) => id);
  const signals = ['origin:one', 'github:github/acme/shop/7'];
  try {
    for (const id of ['a', 'b', 'c']) await store.create(newExecution(id));
    await store.update(newExecution('a'), 1, { ...running, signals });
    await store.update(newExecution('b'), 1, { ...running, signals: ['github:github/acme/shop/77'] });
    await store.update(newExecution('c'), 1, { ...running, signals });
    assert.deepEqual(await found(store), ['a', 'c']);
    await eventually(
      () => found(second.store),
      (ids) => ids.length === 2,
    );
    await second.store.update(newExecution('a'), 2, { ...failed(t0), signals });
    await second.store.update(newExecution('c'), 2, running);
    assert.deepEqual(await found(second.store), []);
    await eventually(
      () => found(store),
      (ids) => ids.length === 0,
    );
  } finally {
    await second.close();
    await dispose();
  }
});

/** Another process on the same cluster. */
async function openSecond() {
  const client = openClient(cluster);
  const shared = { silenceLimitMs: 90_000, clock: systemClock, log: pino({ level: 'silent' }), random: Math.random };
  const store = await openKubernetesStore({ ...shared, api: client.api, writesPerSecond: 1_000 });
  return { store, close: () => store.close().then(() => client.close()) };
}

function storeTest(title: string, run: (store: ExecutionStore, other: ExecutionStore) => Promise<void>): void {
  test(`kubernetes: ${title}`, async () => {
    const [first, second] = [await openEmpty(), await openSecond()];
    try {
      await run(first.store, second.store);
    } finally {
      await second.close();
      await first.dispose();
    }
  });
}

const path = '/apis/aftersync.dev/v1alpha1/namespaces/default/stepexecutions';

storeTest('what one process writes the other reads, and is told of', async (store, other) => {
  const told = Promise.withResolvers<Execution>();
  const release = other.watch((execution) => {
    if (execution.version === 2) told.resolve(execution);
  });
  await store.create(newExecution('a'));
  assert.equal((await other.get(newExecution('a')))?.version, 1);
  const updated = await store.update(newExecution('a'), 1, running);
  assert.deepEqual(await told.promise, updated);
  release();
  assert.equal((await other.create(newExecution('a'))).created, false);
});

storeTest('of two that write and then look at least one sees the other', async (store, other) => {
  for (let round = 0; round < 20; round++) {
    const originStep = `o${round}`;
    const begin = async (own: ExecutionStore, id: string) => {
      await own.create(newExecution(id, { originStep }));
      return (await own.unfinishedOf(originStep, 10)).length;
    };
    const seen = await Promise.all([begin(store, `a${round}`), begin(other, `b${round}`)]);
    assert.equal(Math.max(...seen), 2);
  }
});

storeTest('a request and a record that are too large are refused with the limit', async (store) => {
  const request = { step: 'purge-cdn', with: { urls: 'x'.repeat(limits.objectRequestBytes) } };
  await assert.rejects(store.create(newExecution('a', { request })), (error) => {
    assert.ok(error instanceof ExecutionTooLarge);
    assert.match(error.message, /^what is asked for is [0-9]+ bytes as JSON, .* takes 131072/);
    return true;
  });
  await store.create(newExecution('b'));
  const outputs = { all: 'x'.repeat(limits.objectBytes) };
  await assert.rejects(store.update(newExecution('b'), 1, { ...running, outputs }), ExecutionTooLarge);
  assert.equal((await store.update(newExecution('b'), 1, running)).version, 2);
});

storeTest('the record of one whose origin was deleted goes with its end, and no sooner', async (store, other) => {
  await store.create(newExecution('a'));
  const gone = Promise.withResolvers<Execution>();
  other.watch(() => {}, gone.resolve);
  const stop = { reason: 'OriginGone', at: t0, message: 'deleted', originIsDeleted: true } as const;
  await store.update(newExecution('a'), 1, { ...running, stop });
  assert.equal((await store.get(newExecution('a')))?.version, 2);
  const ended = await store.update(newExecution('a'), 2, { ...failed(t0 + 1), stop });
  assert.equal(ended.version, 3);
  assert.equal((await gone.promise).version, 3);
  assert.equal(await store.get(newExecution('a')), undefined);
});

storeTest('a record that somebody else deletes is gone for all, and its next write says so', async (store, other) => {
  await store.create(newExecution('a'));
  const gone = Promise.withResolvers<Execution>();
  other.watch(() => {}, gone.resolve);
  await cluster.request({ method: 'DELETE', path: `${path}/a` });
  await assert.rejects(store.update(newExecution('a'), 1, running), ExecutionMissing);
  await gone.promise;
  assert.equal((await store.create(newExecution('a'))).created, true);
});

storeTest('a write of something else than the status is no conflict', async (store) => {
  await store.create(newExecution('a'));
  const body = { metadata: { labels: { team: 'shop' } } };
  const contentType = 'application/merge-patch+json';
  await cluster.request({ method: 'PATCH', path: `${path}/a`, body, contentType });
  assert.equal((await store.update(newExecution('a'), 1, running)).version, 2);
});

storeTest('what was asked for never changes, whoever writes it', async (store) => {
  await store.create(newExecution('a'));
  const body = { spec: { caller: 'somebody else' } };
  const contentType = 'application/merge-patch+json';
  const { status } = await cluster.request({ method: 'PATCH', path: `${path}/a`, body, contentType });
  assert.equal(status, 422);
});

storeTest('who creates an object by hand belongs to no recurring step of others', async (store) => {
  const { caller, createdAt, deadline } = newExecution('forged');
  const spec = { step: 's', with: {}, caller, createdAt, deadline, originStep: 'api/shop/s/web' };
  const body = { apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution', metadata: { name: 'forged' }, spec };
  assert.equal((await cluster.request({ method: 'POST', path, body })).status, 201);
  const execution = await store.get(newExecution('forged'));
  assert.deepEqual([execution?.status.state, execution?.status.originStep], ['pending', undefined]);
  const status = { state: 'running' };
  const contentType = 'application/merge-patch+json';
  await cluster.request({ method: 'PATCH', path: `${path}/forged/status`, body: { status }, contentType });
  await assert.rejects(store.update(newExecution('forged'), 7, running), VersionConflict);
  assert.deepEqual((await store.get(newExecution('forged')))?.status.effects, []);
});

storeTest(
  'what a replica of an earlier build stores beside the request stays there, and is no part of it',
  async (store) => {
    const { caller, createdAt, deadline } = newExecution('old');
    const spec = { step: 's', with: {}, caller, createdAt, deadline, requestDigest: 'a1b2' };
    const body = { apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution', metadata: { name: 'old' }, spec };
    const created = await cluster.request({ method: 'POST', path, body });
    assert.deepEqual((created.body as { readonly spec: unknown }).spec, spec);
    assert.deepEqual((await store.get(newExecution('old')))?.request, { step: 's', with: {} });
  },
);

test('a cluster that does not know executions, or does not show them, is not opened', async () => {
  const client = openClient(cluster);
  try {
    Object.assign(client.api, {
      get: async () => ({ status: 404, body: undefined, text: '', retryAfterSeconds: undefined }),
    });
    const shared = { silenceLimitMs: 90_000, clock: systemClock, log: pino({ level: 'silent' }), random: () => 0 };
    await assert.rejects(
      openKubernetesStore({ ...shared, api: client.api, writesPerSecond: 1_000 }),
      /does not know StepExecutions: apply .*stepexecutions\.yaml/,
    );
  } finally {
    await client.close();
  }
});
