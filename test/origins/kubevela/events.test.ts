import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Execution } from '../../../src/core/execution.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { OriginEvents } from '../../../src/origins/kubevela/events.ts';
import { createOriginMetrics } from '../../../src/origins/kubevela/metrics.ts';
import type { KubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeCluster } from './fake-cluster.ts';
import { application, ended, execution, t0, web } from './samples.ts';

function open(cluster = new FakeCluster(({ status }) => new Error(`answered ${status}`))) {
  const clock = new ManualClock(t0);
  const registry = new Registry();
  const said: { readonly level: number }[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => said.push(JSON.parse(line)) });
  let tell: (execution: Execution) => void = () => {};
  const store = {
    watch(onChange: (execution: Execution) => void) {
      tell = onChange;
      return () => {};
    },
  };
  const events = new OriginEvents({ api: cluster.api, store, clock, log, metrics: createOriginMetrics(registry) });
  events.start();
  return {
    clock,
    cluster,
    events,
    said,
    stored(...executions: readonly Execution[]) {
      for (const each of executions) tell(each);
    },
    async pass(spanMs = 1_000) {
      for (let passed = 0; passed < spanMs; passed += 50) {
        await new Promise((resolve) => setImmediate(resolve));
        clock.advance(50);
      }
      return cluster.writes.map(({ body }) => body as JsonObject);
    },
    async count(result: string): Promise<number> {
      const metric = await registry.getSingleMetric('aftersync_origin_events_total')?.get();
      return metric?.values.find(({ labels }) => labels.result === result)?.value ?? 0;
    },
  };
}

test('the beginning and the end of an execution are Events on its Application', async () => {
  const bench = open();
  bench.stored(execution(), ended());
  const [started, succeeded] = await bench.pass();
  const { metadata, ...event } = started ?? {};
  assert.deepEqual(event, {
    involvedObject: {
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'Application',
      namespace: 'shop',
      name: 'web',
      uid: 'uid-1',
    },
    type: 'Normal',
    reason: 'StepStarted',
    message: 'step smoke (trigger-github-action) started',
    source: { component: 'aftersync' },
    firstTimestamp: '2026-11-21T02:00:00.300Z',
    lastTimestamp: '2026-11-21T02:00:00.300Z',
    count: 1,
  });
  assert.deepEqual([succeeded?.type, succeeded?.reason], ['Normal', 'StepSucceeded']);
  assert.equal(succeeded?.message, 'step smoke (trigger-github-action) succeeded: done');
  assert.equal(bench.cluster.writes[0]?.path, '/api/v1/namespaces/shop/events');
});

const ends = [
  ['failed', 'TimedOut', 'Warning', 'StepFailed'],
  ['cancelled', 'Superseded', 'Normal', 'StepCancelled'],
] as const;
for (const [state, why, type, reason] of ends) {
  test(`one that is ${state} is a ${type} ${reason} that says why`, async () => {
    const bench = open();
    bench.stored(execution(web, { state, reason: why, message: 'so it is', finishedAt: t0 }));
    const [event] = await bench.pass();
    assert.deepEqual([event?.type, event?.reason], [type, reason]);
    assert.equal(event?.message, `step smoke (trigger-github-action) ${state} as ${why}: so it is`);
  });
}

test('changes in between are none, and an Event has the same name after a restart', async () => {
  const bench = open();
  bench.stored(execution(), execution(), execution());
  const [before, ...more] = await bench.pass();
  assert.deepEqual(more, []);
  const restarted = open();
  restarted.stored(execution());
  const [after] = await restarted.pass();
  assert.deepEqual(after?.metadata, before?.metadata);
});

test('nothing is said of what was not proven, has no origin or is of long ago', async () => {
  const bench = open();
  const { proof: _, ...unproven } = execution().status;
  const { origin: __, ...request } = execution().request;
  bench.stored(
    { ...execution(), status: unproven },
    { ...execution(), request },
    execution(web, { state: 'pending' }),
    execution(web, { startedAt: t0 - 61_000 }),
    ended(web, t0 - 61_000),
  );
  assert.deepEqual(await bench.pass(), []);
});

test('a built-in that gets our parameters is a Warning, once for each revision', async () => {
  const bench = open();
  const place = { metadata: { name: 'web', namespace: 'shop', uid: 'uid-1' } };
  const object = (appRevision: string) =>
    ({ ...application({ steps: [], appRevision }), ...place }) as KubernetesObject;
  for (const revision of ['web-v1', 'web-v1', 'web-v2']) bench.events.misused(object(revision), 'read');
  const written = await bench.pass();
  assert.equal(written.length, 2);
  assert.deepEqual([written[0]?.type, written[0]?.reason], ['Warning', 'BuiltInReadObject']);
  assert.match(String(written[0]?.message), /^step read .*aftersync-read-object/);
  assert.deepEqual(((written[0]?.involvedObject ?? {}) as JsonObject).namespace, 'shop');
});

test('at most 20 a second are written, in order, and what is over the bound is left out', async () => {
  const bench = open();
  const many = Array.from({ length: 1_200 }, (_, index) => execution({ ...web, sessionID: `s${index}` }));
  bench.stored(...many);
  // The first at once, the others 50 ms apart.
  assert.equal((await bench.pass(1_000)).length, 21);
  await bench.pass(60_000);
  // One was under way, 1,000 in the queue.
  assert.deepEqual(
    [bench.cluster.writes.length, await bench.count('written'), await bench.count('dropped')],
    [1_001, 1_001, 199],
  );
});

test('one that stands there is no failure; failures are counted, and told once', async () => {
  const bench = open();
  bench.cluster.refusals.push({ status: 409 }, { status: 403 }, new Error('reset'));
  bench.stored(...['a', 'b', 'c', 'd'].map((sessionID) => execution({ ...web, sessionID })));
  await bench.pass();
  assert.deepEqual([await bench.count('written'), await bench.count('failed')], [2, 2]);
  assert.equal(bench.said.filter(({ level }) => level >= 40).length, 1);
});

test('a long message is cut', async () => {
  const bench = open();
  bench.stored(execution(web, { state: 'failed', message: 'x'.repeat(5_000), finishedAt: t0 }));
  const [event] = await bench.pass();
  assert.equal(String(event?.message).length, 1_024);
});

test('nothing is written after the end', async () => {
  const bench = open();
  bench.stored(execution(), ended());
  await bench.events.close();
  bench.stored(execution({ ...web, sessionID: 'later' }));
  assert.equal((await bench.pass()).length, 1);
});
