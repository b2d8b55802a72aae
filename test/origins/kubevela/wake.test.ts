import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import type { KubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { application, ended, execution, smoke, t0, web, webPlace } from './samples.ts';
import { numbered, openWake, waiting } from './wake-workbench.ts';

const conditionsOf = (object: KubernetesObject | undefined) =>
  (object?.status as { conditions?: readonly JsonObject[] } | undefined)?.conditions ?? [];

test('a step that still runs is patched at once, and again after 8, 16, 32 and 64 s, each time with another text', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.stored(ended());
  await bench.pass(120_000);
  assert.deepEqual(bench.patchedAt, [0, 8_000, 24_000, 56_000, 120_000]);
  assert.equal(new Set(bench.messages()).size, 5);
  assert.equal(bench.messages()[0], 'step smoke (smoke00001) has succeeded; said 1 of 5 times');
  assert.equal(await bench.count('sent'), 5);
});

test('so is one whose last tick failed by Execute', async () => {
  const bench = openWake();
  bench.become(application({ steps: [{ ...smoke, phase: 'failed', reason: 'Execute' }] }));
  bench.stored(ended());
  await bench.pass(0);
  assert.equal(bench.patchedAt.length, 1);
});

test('the patch adds our condition beside the others, and later replaces it alone', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  const before = conditionsOf(bench.cluster.get(webPlace));
  bench.stored(ended());
  await bench.pass(8_000);
  const after = conditionsOf(bench.cluster.get(webPlace));
  assert.deepEqual(after.slice(0, -1), before);
  assert.deepEqual(after.at(-1), {
    type: 'AfterSync',
    status: 'True',
    reason: 'StepEnded',
    message: 'step smoke (smoke00001) has succeeded; said 2 of 5 times',
    lastTransitionTime: '2026-11-21T02:00:08Z',
  });
  const [first, second] = bench.cluster.writes;
  assert.deepEqual(
    [first?.method, first?.path],
    ['PATCH', '/apis/core.oam.dev/v1beta1/namespaces/shop/applications/web/status'],
  );
  assert.deepEqual(second?.path, first?.path);
});

test('an object without conditions gets a list of them', async () => {
  const bench = openWake();
  const run = { ...web, kind: 'WorkflowRun' } as const;
  bench.become({ status: { steps: [smoke] } }, run);
  bench.stored(ended(run));
  await bench.pass(0);
  const [patch] = bench.cluster.writes;
  assert.equal(patch?.path, '/apis/core.oam.dev/v1alpha1/namespaces/shop/workflowruns/web/status');
  assert.deepEqual(
    ((patch?.body ?? []) as JsonObject[]).map(({ op, path }) => [op, path]),
    [
      ['test', '/status/conditions'],
      ['add', '/status/conditions'],
    ],
  );
});

test('nothing is sent any more once the watch shows that the step has ended', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.stored(ended());
  await bench.pass(100);
  bench.become(application({ steps: [{ ...smoke, phase: 'succeeded', reason: '' }] }));
  await bench.pass(60_000);
  assert.equal(bench.patchedAt.length, 1);
});

test('nothing is sent for an end that the engine was answered', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.stored(ended());
  await bench.pass(100);
  bench.wake.asked(ended());
  await bench.pass(60_000);
  assert.equal(bench.patchedAt.length, 1);
});

test('an answer from before the end does not count', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.wake.asked(execution());
  bench.stored(ended());
  await bench.pass(4_500);
  assert.deepEqual(bench.patchedAt, [4_000]);
});

test('after the answer to a tick its status write is awaited', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.wake.asked(execution());
  bench.stored(ended());
  await bench.pass(150);
  assert.deepEqual(bench.patchedAt, []);
  bench.become(application({ steps: [{ ...smoke, lastExecuteTime: '2026-11-21T02:00:01Z' }] }));
  await bench.pass(0);
  assert.deepEqual(bench.patchedAt, [150]);
});

test('somebody else’s write, or one seen for the first time, is not taken for it', async () => {
  const bench = openWake();
  bench.wake.asked(execution());
  bench.stored(ended());
  bench.become(waiting(web));
  await bench.pass(200);
  const { status } = waiting(web);
  bench.become({ ...waiting(web), status: { ...(status as JsonObject), conditions: [] } });
  await bench.pass(200);
  assert.deepEqual(bench.patchedAt, []);
  await bench.pass(3_600);
  assert.deepEqual(bench.patchedAt, [4_000]);
});

test('whoever has ticks answered without end, without being the engine, puts the patch off for 12 s at most', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.wake.asked(execution(numbered(7)));
  bench.stored(ended());
  for (let passed = 0; passed < 20_000; passed += 500) {
    bench.wake.asked(execution(numbered(7)));
    await bench.pass(500);
  }
  assert.equal(bench.patchedAt[0], 12_000);
});

test('a patch is put off where the engine may just begin a tick, a second or three after its last', async () => {
  for (const [endedAt, patchedAt] of [
    [670, 670],
    [680, 1_000],
    [690, 1_000],
    [990, 1_000],
    [1_010, 1_010],
    [1_690, 1_690],
    [2_690, 3_000],
  ]) {
    const bench = openWake();
    bench.become(waiting(web));
    await bench.pass(endedAt ?? 0, 10);
    bench.stored(ended());
    await bench.pass(500, 10);
    assert.deepEqual(bench.patchedAt, [patchedAt], `ended at ${endedAt}`);
  }
});

test('a tick that asks meanwhile needs no patch', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  await bench.pass(690, 10);
  bench.stored(ended());
  await bench.pass(100, 10);
  bench.wake.asked(ended());
  await bench.pass(60_000);
  assert.deepEqual(bench.patchedAt, []);
});

test('another step of the workflow holds it back as well, another Application’s does not', async () => {
  const bench = openWake();
  bench.become(waiting(web, numbered(2)));
  bench.wake.asked(execution({ ...web, name: 'other' }));
  bench.wake.asked(execution(numbered(2)));
  bench.stored(ended());
  await bench.pass(3_950);
  assert.deepEqual(bench.patchedAt, []);
  await bench.pass(50);
  assert.deepEqual(bench.patchedAt, [4_000]);
});

test('of many that end at once one patch tells, and at most one a second', async () => {
  const bench = openWake();
  const origins = Array.from({ length: 20 }, (_, index) => numbered(index));
  bench.become(waiting(...origins));
  for (const origin of origins) bench.stored(ended(origin));
  await bench.pass(0);
  // The first was sent before the others had ended.
  assert.deepEqual(bench.patchedAt, [0]);
  await bench.pass(60_000);
  assert.equal(bench.patchedAt[1], 1_000);
  for (const [index, at] of bench.patchedAt.entries())
    assert.ok(index === 0 || at - (bench.patchedAt[index - 1] ?? 0) >= 1_000);
  assert.ok(bench.patchedAt.length <= 6, `${bench.patchedAt}`);
  assert.match(bench.messages()[1] ?? '', /with 19 more/);
});

test('two Applications do not wait for each other', async () => {
  const bench = openWake();
  const other = { ...web, namespace: 'other' };
  for (const origin of [web, other]) bench.become(waiting(origin), origin);
  for (const origin of [web, other]) bench.stored(ended(origin));
  await bench.pass(0);
  assert.deepEqual(bench.patchedAt, [0, 0]);
});

test('a session that the watch does not show yet is looked for in the cluster', async () => {
  const bench = openWake();
  bench.become(application({ steps: [] }));
  bench.cluster.set(webPlace, waiting(web));
  bench.stored(ended());
  await bench.pass(0);
  assert.deepEqual([bench.cluster.reads.length, bench.patchedAt], [1, [0]]);
});

for (const [what, object] of [
  ['the object without it', application({ steps: [] })],
  ['no object', undefined],
] as const) {
  test(`a watch that lags behind and shows ${what} does not make a session forgotten`, async () => {
    const bench = openWake();
    bench.become(object);
    bench.wake.asked(execution());
    bench.stored(ended());
    bench.become(object);
    bench.cluster.set(webPlace, waiting(web));
    await bench.pass(4_000);
    assert.deepEqual([bench.cluster.reads.length, bench.patchedAt], [1, [4_000]]);
  });
}

for (const [what, object] of [
  ['is gone', undefined],
  ['has another session', application({ steps: [{ ...smoke, id: 'other00001' }] })],
  ['has not begun the step', application({ steps: [{ ...smoke, phase: 'pending' }] })],
] as const) {
  test(`nothing is sent to an object that ${what}`, async () => {
    const bench = openWake();
    bench.become(object);
    bench.stored(ended());
    await bench.pass(60_000);
    assert.deepEqual(bench.patchedAt, []);
  });
}

test('where somebody wrote conditions in between it is read again and patched at once', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  // The watch does not show this one.
  const { status, ...object } = waiting(web);
  bench.cluster.set(webPlace, { ...object, status: { ...(status as JsonObject), conditions: [{ type: 'Other' }] } });
  bench.stored(ended());
  await bench.pass(0);
  assert.deepEqual([bench.patchedAt, bench.cluster.reads.length, await bench.count('sent')], [[0, 0], 1, 1]);
  assert.equal(conditionsOf(bench.cluster.get(webPlace)).length, 2);
});

test('an object that is deleted meanwhile is forgotten', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.cluster.set(webPlace, undefined);
  bench.stored(ended());
  await bench.pass(60_000);
  assert.deepEqual([bench.patchedAt, await bench.count('failed')], [[0], 0]);
});

test('a tick that is answered while the object is read puts the patch off', async () => {
  const bench = openWake();
  bench.become(application({ steps: [] }));
  bench.cluster.set(webPlace, waiting(web, numbered(2)));
  bench.stored(ended());
  bench.wake.asked(execution(numbered(2)));
  await bench.pass(5_000);
  assert.equal(bench.patchedAt[0], 4_000);
});

test('a refusal is told once with what to grant, counted, and not repeated', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  const other = { ...web, name: 'other' };
  bench.become(waiting(other), other);
  bench.cluster.refusals.push({ status: 403 }, { status: 403 });
  for (const origin of [web, other]) bench.stored(ended(origin));
  await bench.pass(60_000);
  assert.deepEqual([bench.patchedAt, await bench.count('refused')], [[0, 0], 2]);
  const [told, ...more] = bench.said.filter(({ level }) => level >= 40);
  assert.deepEqual(more, []);
  assert.match(told?.err?.message ?? '', /patch on applications\/status in the API group core\.oam\.dev/);
});

test('what fails is tried again, and counts', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  bench.cluster.refusals.push(new Error('reset'), { status: 500 });
  bench.stored(ended());
  await bench.pass(120_000);
  assert.deepEqual(bench.patchedAt, [0, 2_000, 4_000, 36_000, 100_000]);
  assert.deepEqual([await bench.count('failed'), await bench.count('sent')], [2, 3]);
  assert.equal(bench.said.filter(({ level }) => level >= 40).length, 1);
});

test('after a restart it goes on for what ended shortly before', async () => {
  const late = numbered(2);
  const long = numbered(3);
  const bench = openWake({
    pages: [{ items: [ended(long, t0 - 600_000)], continue: 'more' }, { items: [ended(late)] }],
  });
  await bench.settle();
  bench.become(waiting(late, long));
  await bench.pass(0);
  assert.deepEqual([bench.patchedAt, bench.listed()], [[0], 2]);
  assert.match(bench.messages()[0] ?? '', /smoke-2/);
});

test('of several processes the one that holds it wakes, and where that is gone the one that it falls to', async () => {
  let holder = 'other';
  let change = () => {};
  const bench = openWake({
    pages: [{ items: [] }, { items: [ended()] }],
    holding: {
      claim: (held) => (held.holder === 'other' && holder === 'other' ? undefined : t0),
      watch(onChange) {
        change = onChange;
        return () => {};
      },
    },
  });
  const heldByOther = execution(web, { state: 'succeeded', finishedAt: t0, holder: 'other' });
  bench.become(waiting(web));
  bench.stored(heldByOther);
  await bench.pass(100);
  assert.deepEqual(bench.patchedAt, []);
  holder = 'us';
  change();
  await bench.pass(0);
  assert.deepEqual(bench.patchedAt, [100]);
});

test('what is still unknown is waited for, and what nobody asks about any more is let go of', async () => {
  const bench = openWake();
  bench.stored(ended());
  await bench.pass(10_000, 1_000);
  assert.deepEqual([bench.patchedAt, bench.cluster.watched], [[], 1]);
  bench.become(waiting(web));
  await bench.pass(120_000, 1_000);
  assert.equal(bench.patchedAt.length, 5);
  await bench.pass(150_000, 1_000);
  assert.equal(bench.cluster.watched, 0);
});

test('what it keeps in memory is bounded: the one not used for longest is given up', async () => {
  const bench = openWake();
  for (let index = 0; index < 10_001; index++) bench.wake.asked(execution({ ...web, name: `web-${index}` }));
  assert.equal(bench.cluster.watched, 10_000);
  await bench.wake.close();
  assert.equal(bench.cluster.watched, 0);
});

test('nothing is done any more after the end', async () => {
  const bench = openWake();
  bench.become(waiting(web));
  await bench.wake.close();
  bench.wake.asked(execution());
  bench.stored(ended());
  await bench.pass(10_000);
  assert.deepEqual([bench.patchedAt, bench.cluster.watched], [[], 0]);
});
