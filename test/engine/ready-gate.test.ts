import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rejected } from '../../src/core/effect.ts';
import type { Json } from '../../src/core/json.ts';
import { Problem } from '../../src/core/problem.ts';
import type { GateContext, ReadyGate } from '../../src/core/ready-gate.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { openWorkbench, toyStep } from './workbench.ts';

const readyWhen = { object: { kind: 'Deployment', name: 'web' } };

type Look = Awaited<ReturnType<ReadyGate['advance']>>;

/** A gate that answers what the test says, and keeps what it was asked with. */
function scriptedGate(look: (context: GateContext) => Look) {
  const states: (Json | undefined)[] = [];
  const gate: ReadyGate = {
    check: ({ object }) => (object.name === 'wrong' ? [{ path: '/object/name', message: 'is wrong' }] : []),
    uses: () => [],
    async advance(context) {
      states.push(context.state);
      return look(context);
    },
  };
  return { gate, states };
}

const waitingUntil = (until: number): Look => ({ kind: 'waiting', message: 'not ready', until, state: { uid: 'u' } });

/** Counts how often it is begun. */
function countedStep() {
  const begun: (Json | undefined)[] = [];
  const step = toyStep(async ({ state, now }) => {
    begun.push(state);
    if (state !== undefined) return { kind: 'succeeded', outputs: {} };
    return { kind: 'waiting', message: 'working', until: now() + 1_000, state: { own: 1 } };
  });
  return { step, begun };
}

test('a step is not begun before readyWhen holds, and the gate is not asked again once it has held', async (t) => {
  let isReady = false;
  const { gate, states } = scriptedGate(({ now }) => (isReady ? 'ready' : waitingUntil(now() + 1_000)));
  const { step, begun } = countedStep();
  const bench = await openWorkbench({ steps: [step], readyGate: gate });
  t.after(bench.close);
  await bench.submit('one', {}, { readyWhen });
  const waiting = await bench.until('one', ({ status }) => status.message === 'not ready');
  assert.equal(waiting.status.state, 'running');
  assert.deepEqual([begun, states], [[], [undefined]]);

  isReady = true;
  bench.clock.advance(1_000);
  await bench.until('one', ({ status }) => status.message === 'working');
  bench.clock.advance(1_000);
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
  assert.deepEqual(states, [undefined, { uid: 'u' }], 'the gate got back what it kept');
  assert.deepEqual(begun, [undefined, { own: 1 }], 'the step got its own state and not the one of the gate');
});

test('a restart goes on where the gate was, or behind it', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  t.after(() => store.close());
  let isReady = false;
  const { gate, states } = scriptedGate(({ now }) => (isReady ? 'ready' : waitingUntil(now() + 1_000)));
  const { step, begun } = countedStep();
  const first = await openWorkbench({ steps: [step], readyGate: gate, store });
  await first.submit('one', {}, { readyWhen });
  await first.until('one', ({ status }) => status.message === 'not ready');
  await first.engine.close();

  isReady = true;
  const second = await openWorkbench({ steps: [step], readyGate: gate, store, clock: first.clock });
  first.clock.advance(1_000);
  await second.until('one', ({ status }) => status.message === 'working');
  await second.engine.close();

  const third = await openWorkbench({ steps: [step], readyGate: gate, store, clock: first.clock });
  first.clock.advance(1_000);
  assert.equal((await third.ended('one')).status.state, 'succeeded');
  await third.engine.close();
  assert.deepEqual(states, [undefined, { uid: 'u' }]);
  assert.equal(begun.length, 2);
});

test('what is stopped or out of time before it is ready ends without having begun', async (t) => {
  const { gate } = scriptedGate(({ now }) => waitingUntil(now() + 3_600_000));
  const { step, begun } = countedStep();
  const bench = await openWorkbench({ steps: [step], readyGate: gate });
  t.after(bench.close);
  for (const id of ['stopped', 'late']) {
    await bench.submit(id, {}, { readyWhen, timeout: '1m' });
    await bench.until(id, ({ status }) => status.message === 'not ready');
  }
  await bench.engine.cancel({ namespace: 'default', id: 'stopped' }, 'tester');
  assert.equal((await bench.ended('stopped')).status.reason, 'Cancelled');
  bench.clock.advance(60_000);
  const { reason, message } = (await bench.ended('late')).status;
  assert.deepEqual([reason, message], ['TimedOut', 'not done within 1m; it was: not ready']);
  assert.deepEqual(begun, []);
});

test('a gate that can never open ends the execution with its reason', async (t) => {
  const { gate } = scriptedGate(({ execution }) => {
    if (execution.id === 'denied') throw new Rejected('Denied', 'not allowed');
    return { kind: 'failed', reason: 'ObjectFailed', message: 'it has failed' };
  });
  const { step, begun } = countedStep();
  const bench = await openWorkbench({ steps: [step], readyGate: gate });
  t.after(bench.close);
  for (const [id, reason] of [
    ['denied', 'Denied'],
    ['failed', 'ObjectFailed'],
  ] as const) {
    await bench.submit(id, {}, { readyWhen });
    assert.equal((await bench.ended(id)).status.reason, reason);
  }
  assert.deepEqual(begun, []);
});

test('mistakes in readyWhen are named with their place before anything is recorded', async (t) => {
  const { gate } = scriptedGate(() => 'ready');
  const bench = await openWorkbench({ steps: [countedStep().step], readyGate: gate });
  t.after(bench.close);
  for (const [given, path] of [
    [{ object: { kind: 'Deployment', name: 'wrong' } }, '/readyWhen/object/name'],
    [{ object: { kind: 'Deployment' } }, '/readyWhen/object/name'],
    [{ object: readyWhen.object, waitFor: 'soon' }, '/readyWhen/waitFor'],
    [{ object: readyWhen.object, until: 'soon' }, '/readyWhen/until'],
  ] as const) {
    await assert.rejects(bench.submit('one', {}, { readyWhen: given }), (error) => {
      assert.ok(error instanceof Problem);
      assert.deepEqual(
        error.mistakes.map((mistake) => mistake.path),
        [path],
      );
      return true;
    });
  }
  assert.equal(await bench.store.countUnfinished(), 0);
});
