import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Execution } from '../../../src/core/execution.ts';
import { isFinal } from '../../../src/core/execution.ts';
import type { Step } from '../../../src/core/step.ts';
import { effectStep, toyStep } from '../../engine/workbench.ts';
import { eventually } from '../../support/eventually.ts';
import type { Kubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { startClusterWithExecutions } from './cluster.ts';
import { type Replica, startReplica } from './replica.ts';

let cluster: Kubernetes;
let running: Replica[] = [];
before(async () => {
  cluster = await startClusterWithExecutions(['default']);
});
after(() => cluster.close());
afterEach(async () => {
  await Promise.all(running.map((replica) => replica.close()));
  running = [];
  await cluster.request({ method: 'DELETE', path: '/apis/aftersync.dev/v1alpha1/namespaces/default/stepexecutions' });
});

/** With a lease that a busy machine does not let lapse, unless told otherwise. */
async function start(steps: readonly Step[], { leaseMs = 60_000 }: { readonly leaseMs?: number } = {}) {
  const replica = await startReplica(cluster, { steps, leaseMs });
  running.push(replica);
  return replica;
}

const of = (id: string) => ({ namespace: 'default', id });
const shortLeaseMs = 2_000;
const someday = 9_999_999_999_999;
const waiting = toyStep(async ({ stop }) =>
  stop === undefined
    ? { kind: 'waiting', message: 'waiting', until: someday }
    : { kind: 'failed', reason: stop.reason, message: stop.message },
);

/** Lets the replicas, which are in this process, go on between two looks. */
function soon<T>(look: () => T | Promise<T>, isGood: (seen: T) => boolean): Promise<T> {
  return eventually(async () => {
    await pause(5);
    return await look();
  }, isGood);
}

async function standing(replica: Replica, id: string, isGood: (execution: Execution) => boolean): Promise<Execution> {
  const found = await soon(
    () => replica.store.get(of(id)),
    (execution) => execution !== undefined && isGood(execution),
  );
  assert.ok(found);
  return found;
}

/** Counts its sends by execution. */
function countingStep(sends: Map<string, number>, sendMs = 0): Step {
  return effectStep(({ execution }) => ({
    repeat: 'find',
    request: {},
    async send() {
      sends.set(execution.id, (sends.get(execution.id) ?? 0) + 1);
      await pause(sendMs);
      return {};
    },
    find: async () => (sends.has(execution.id) ? {} : 'absent'),
  }));
}

test('what any replica accepts is advanced by one, and each does its share', async () => {
  const sends = new Map<string, number>();
  const replicas = [
    await start([countingStep(sends)]),
    await start([countingStep(sends)]),
    await start([countingStep(sends)]),
  ];
  const ids = Array.from({ length: 60 }, (_, i) => `shared-${i}`);
  await Promise.all(ids.map((id, i) => replicas[i % 3]?.submit(id)));
  const [first] = replicas;
  assert.ok(first);
  const holders = new Set<string | undefined>();
  for (const id of ids) holders.add((await standing(first, id, ({ status }) => isFinal(status.state))).status.holder);
  assert.deepEqual(
    ids.map((id) => sends.get(id)),
    ids.map(() => 1),
  );
  assert.deepEqual([...holders].sort(), replicas.map(({ name }) => name).sort());
});

test('a known execution is answered by any replica without a call', async () => {
  const [a, b] = [await start([waiting]), await start([waiting])];
  await a.submit('known');
  for (const replica of [a, b]) await standing(replica, 'known', ({ status }) => status.message === 'waiting');
  for (const replica of [a, b]) {
    const before = replica.calls.length;
    for (let i = 0; i < 20; i++) assert.equal((await replica.submit('known')).created, false);
    assert.deepEqual(
      replica.calls.slice(before).filter((call) => call.includes('stepexecutions')),
      [],
    );
  }
});

test('a stop that is stored by another replica reaches the holder', async () => {
  const [a, b] = [await start([waiting]), await start([waiting])];
  await a.submit('stopped');
  const { status } = await standing(b, 'stopped', ({ status: { message } }) => message === 'waiting');
  const other = status.holder === a.name ? b : a;
  await other.engine.cancel(of('stopped'), 'somebody');
  assert.equal((await standing(other, 'stopped', (it) => isFinal(it.status.state))).status.state, 'cancelled');
});

/** Waits for its turn to go on, and says who has it. */
function relayStep(seen: string[], name: () => string): Step {
  return toyStep(async ({ execution }) => {
    seen.push(`${execution.id} ${name()}`);
    return { kind: 'waiting', message: `with ${name()}`, until: Date.now() + 500 };
  });
}

test('a replica that is stopped hands over at once', async () => {
  let [a, b]: (Replica | undefined)[] = [];
  const seen: string[] = [];
  a = await start([relayStep(seen, () => a?.name ?? '')]);
  b = await start([relayStep(seen, () => b?.name ?? '')]);
  const ids = Array.from({ length: 8 }, (_, i) => `handed-${i}`);
  for (const id of ids) await a.submit(id);
  for (const id of ids) await standing(b, id, ({ status }) => status.holder !== undefined);
  await a.close();
  // Much sooner than any lease would end.
  for (const id of ids) await standing(b, id, ({ status }) => status.holder === b?.name);
});

test('what a replica held that died is taken over when its lease is over, and not sent again', async () => {
  const sends = new Map<string, number>();
  const slow = countingStep(sends, 60_000);
  const fast = countingStep(sends);
  const a = await start([slow], { leaseMs: shortLeaseMs });
  const ids = Array.from({ length: 8 }, (_, i) => `orphan-${i}`);
  for (const id of ids) await a.submit(id);
  await soon(
    () => sends.size,
    (size) => size === ids.length,
  );
  const b = await start([fast]);
  a.die();
  for (const id of ids) {
    assert.equal((await standing(b, id, ({ status }) => isFinal(status.state))).status.state, 'succeeded');
  }
  const [namespace, name] = a.name.split('/');
  const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`;
  assert.equal((await cluster.request({ method: 'GET', path })).status, 404);
  assert.deepEqual(
    ids.map((id) => sends.get(id)),
    ids.map(() => 1),
  );
  running = [b];
});

test('of two executions of one origin step that two replicas begin with at once one acts', async () => {
  const acting = new Set<string>();
  let most = 0;
  const step = effectStep(({ execution }) => ({
    repeat: 'safe',
    request: {},
    async send() {
      acting.add(execution.id);
      most = Math.max(most, acting.size);
      await pause(50);
      acting.delete(execution.id);
      return {};
    },
  }));
  const [a, b] = [await start([step]), await start([step])];
  for (let round = 0; round < 10; round++) {
    const more = { onChange: { key: round, scope: 'shop-web' } };
    const ids = [`first-${round}`, `second-${round}`];
    await Promise.all([a.submit(ids[0] ?? '', more), b.submit(ids[1] ?? '', more)]);
    const ends = [];
    for (const id of ids) ends.push((await standing(a, id, ({ status }) => isFinal(status.state))).status.state);
    assert.ok(ends.includes('succeeded'), ends.join());
  }
  assert.equal(most, 1);
});

test('an API server that restarts loses nothing, and nobody is taken over', async () => {
  const sends = new Map<string, number>();
  const step = countingStep(sends, 100);
  const [a, b] = [await start([step]), await start([step])];
  const ids = Array.from({ length: 30 }, (_, i) => `restarted-${i}`);
  for (const [i, id] of ids.entries()) await (i % 2 === 0 ? a : b).submit(id);
  await cluster.restartApiServer();
  for (const id of ids) await standing(a, id, ({ status }) => status.state === 'succeeded');
  assert.deepEqual(
    ids.map((id) => sends.get(id)),
    ids.map(() => 1),
  );
  assert.deepEqual([a.replicas.holder, b.replicas.holder], [a.name, b.name]);
});

test('while etcd is away for longer than a lease nothing is sent in the old names, and then all goes on', async () => {
  const sends = new Map<string, number>();
  const step = countingStep(sends);
  const [a, b] = [await start([step], { leaseMs: shortLeaseMs }), await start([step], { leaseMs: shortLeaseMs })];
  const ids = Array.from({ length: 20 }, (_, i) => `outage-${i}`);
  await Promise.all(ids.map((id, i) => (i % 2 === 0 ? a : b).submit(id)));
  await cluster.stopEtcd();
  await soon(
    () => [a.replicas.holder, b.replicas.holder],
    (holders) => holders.every((holder) => holder === undefined),
  );
  await cluster.startEtcd();
  for (const id of ids) await standing(a, id, ({ status }) => status.state === 'succeeded');
  assert.deepEqual(
    ids.map((id) => sends.get(id)),
    ids.map(() => 1),
  );
});

test('an API server that answers nothing for a while does not cost the living their executions', async () => {
  const [a, b] = [await start([waiting]), await start([waiting])];
  await a.submit('paused');
  const { status } = await standing(b, 'paused', ({ status: { message } }) => message === 'waiting');
  cluster.pauseApiServer();
  try {
    await pause(3_000);
  } finally {
    cluster.resumeApiServer();
  }
  await b.submit('after');
  await standing(a, 'after', ({ status: { message } }) => message === 'waiting');
  assert.equal((await a.store.get(of('paused')))?.status.holder, status.holder);
  assert.deepEqual([a.replicas.holder, b.replicas.holder], [a.name, b.name]);
});

test('an execution costs at most four writes, and one more for each effect', async () => {
  const step = toyStep(async (context) => {
    for (const name of ['first', 'second', 'third']) {
      const settled = await context.effect(name, { repeat: 'find', request: {}, send: async () => ({}) });
      if ('stop' in settled) return settled.stop;
    }
    const { state } = context;
    if (state === undefined) return { kind: 'waiting', message: 'sent', state: 1, until: context.now() + 20 };
    return { kind: 'succeeded', outputs: {} };
  });
  const a = await start([step]);
  await a.submit('costly', { onChange: { key: 1, scope: 'shop-web' } });
  await standing(a, 'costly', ({ status }) => status.state === 'succeeded');
  const writes = a.calls.filter((call) => !call.startsWith('GET') && call.includes('stepexecutions'));
  assert.ok(writes.length <= 4 + 3, writes.join('\n'));
  assert.deepEqual(
    a.calls.filter((call) => call.startsWith('GET') && call.includes('stepexecutions/')),
    [],
  );
});
