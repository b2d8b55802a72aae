import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotSent, Rejected } from '../../src/core/effect.ts';
import { limits } from '../../src/core/limits.ts';
import type { Outcome } from '../../src/core/step.ts';
import { openWorkbench, toyStep } from './workbench.ts';

const done: Outcome = { kind: 'succeeded', outputs: { answer: 42 } };

test('a new execution runs, and its outputs are stored with the end', async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(async () => done)] });
  t.after(bench.close);
  const { created, execution } = await bench.submit('one');
  assert.equal(created, true);
  assert.equal(execution.status.state, 'pending');
  const { status } = await bench.ended('one');
  assert.equal(status.state, 'succeeded');
  assert.deepEqual(status.outputs, { answer: 42 });
  assert.equal(status.startedAt, bench.clock.now());
});

test('a throw is tried again with growing full jitter, until the deadline, whose message carries the last error', async (t) => {
  const bench = await openWorkbench({
    steps: [toyStep(() => Promise.reject(new Error('no luck')))],
    random: () => 1,
  });
  t.after(bench.close);
  await bench.submit('one', {}, { timeout: '1m' });
  const wakeTimes: number[] = [];
  const startedAt = bench.clock.now();
  for (let attempt = 1; attempt <= 6; attempt++) {
    const { status } = await bench.until('one', ({ status }) => status.attempts === attempt);
    wakeTimes.push(((status.wakeAt ?? 0) - startedAt) / 1_000);
    bench.clock.advance((status.wakeAt ?? 0) - bench.clock.now());
  }
  assert.deepEqual(wakeTimes, [1, 3, 7, 15, 31, 60]);
  // It is told of the stop, throws again, and gets two minutes for that.
  await bench.until('one', ({ status }) => status.stop?.until !== undefined);
  bench.clock.advance(limits.stopMs);
  const { status } = await bench.ended('one');
  assert.equal(status.state, 'failed');
  assert.equal(status.reason, 'TimedOut');
  assert.match(status.message, /not done within 1m; last: trying again after: no luck; undoing was given up after 2m/);
});

test('a step that works again starts with a short backoff the next time', async (t) => {
  let turn = 0;
  const bench = await openWorkbench({
    random: () => 1,
    steps: [
      toyStep(async ({ now }) => {
        turn += 1;
        if (turn === 3) return { kind: 'waiting', message: 'fine', until: now() + 500 };
        throw new Error('no luck');
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const backoffs: number[] = [];
  for (const attempt of [1, 2, 3]) {
    const { status } = await bench.until('one', ({ status }) => status.attempts === attempt);
    backoffs.push((status.wakeAt ?? 0) - bench.clock.now());
    bench.clock.advance(backoffs.at(-1) ?? 0);
    if (attempt === 2) {
      await bench.until('one', ({ status }) => status.message === 'fine');
      bench.clock.advance(500);
    }
  }
  assert.deepEqual(backoffs, [1_000, 2_000, 1_000]);
});

test('Rejected ends it at once with its reason; NotSent waits until its time without counting an attempt', async (t) => {
  let turn = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ now }) => {
        turn += 1;
        if (turn === 1) throw new NotSent('the rate limit is used up', { notBefore: now() + 90_000 });
        throw new Rejected('EffectFailed', 'the answer is no');
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const waiting = await bench.until('one', ({ status }) => status.message === 'the rate limit is used up');
  assert.equal(waiting.status.wakeAt, bench.clock.now() + 90_000);
  assert.equal(waiting.status.attempts, 0);
  bench.clock.advance(90_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, status.message, turn], ['EffectFailed', 'the answer is no', 2]);
});

test('a step that hangs is given up after 30 s, its reads are aborted, and it is tried again', async (t) => {
  let turn = 0;
  let aborted = false;
  const bench = await openWorkbench({
    steps: [
      toyStep(({ readsAborted }) => {
        turn += 1;
        if (turn === 2) return Promise.resolve(done);
        readsAborted.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise(() => {});
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.settled();
  bench.clock.advance(limits.advanceMs);
  const { status } = await bench.until('one', ({ status }) => status.attempts === 1);
  assert.match(status.message, /did not return within 30s/);
  assert.equal(aborted, true);
  bench.clock.advance(1_000);
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

for (const [name, outcome, expected] of [
  ['nothing', undefined, /no outcome/],
  ['a number', 7, /no outcome/],
  ['an unknown kind', { kind: 'finished' }, /no known kind/],
  ['a failure for an unknown reason', { kind: 'failed', reason: 'Whatever', message: 'x' }, /known reason/],
  ['a wait for nothing', { kind: 'waiting', message: 'x' }, /wait for nothing/],
  ['a wait until no time', { kind: 'waiting', message: 'x', until: 'soon' }, /no time/],
  ['something that is not JSON', { kind: 'succeeded', outputs: { big: 1n } }, /not JSON/],
  ['outputs that are no object', { kind: 'succeeded', outputs: [1] }, /no object/],
] as const) {
  test(`a step that returns ${name} fails as StepBroken, and says so`, async (t) => {
    const bench = await openWorkbench({ steps: [toyStep(async () => outcome as unknown as Outcome)] });
    t.after(bench.close);
    await bench.submit('one');
    const { status } = await bench.ended('one');
    assert.equal(status.reason, 'StepBroken');
    assert.match(status.message, expected);
  });
}

test('outputs over 64 KiB fail as TooLarge', async (t) => {
  const big = 'x'.repeat(limits.outputsBytes);
  const bench = await openWorkbench({ steps: [toyStep(async () => ({ kind: 'succeeded', outputs: { big } }))] });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.equal(status.reason, 'TooLarge');
  assert.deepEqual(status.outputs, {});
});

test('a wait that changes nothing but its time is not written', async (t) => {
  let turn = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ now }) => {
        turn += 1;
        return turn < 10 ? { kind: 'waiting', message: 'still running', until: now() + 1_000 } : done;
      }),
    ],
  });
  t.after(bench.close);
  let writes = 0;
  bench.store.watch(() => {
    writes += 1;
  });
  await bench.submit('one');
  for (let i = 0; i < 10; i++) {
    await bench.settled();
    bench.clock.advance(1_000);
  }
  await bench.ended('one');
  assert.equal(turn, 10);
  assert.equal(writes, 3, 'created, first wait, end');
});

test('state and outputs of a wait are durable, and the state is given to the next advance', async (t) => {
  const seen: unknown[] = [];
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ state, now }) => {
        seen.push(state);
        if (seen.length === 2) return done;
        return { kind: 'waiting', message: 'w', until: now() + 1_000, state: { poll: 1 }, outputs: { url: 'u' } };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const waiting = await bench.until('one', ({ status }) => status.message === 'w');
  assert.deepEqual(waiting.status.stepState, { poll: 1 });
  bench.clock.advance(1_000);
  const { status } = await bench.ended('one');
  assert.deepEqual(seen, [undefined, { poll: 1 }]);
  assert.deepEqual(status.outputs, { url: 'u', answer: 42 });
});

test('an execution is never advanced twice at once, and a signal during an advance causes another', async (t) => {
  let raise = () => {};
  let atOnce = 0;
  let turns = 0;
  const source = {
    prefix: 'bell',
    subscribe(_key: string, ring: () => void) {
      raise = ring;
      return () => {};
    },
  };
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const bench = await openWorkbench({
    sources: [source],
    steps: [
      toyStep(async () => {
        turns += 1;
        atOnce += 1;
        assert.equal(atOnce, 1);
        if (turns === 2) await gates[0]?.promise;
        atOnce -= 1;
        return turns === 3 ? done : { kind: 'waiting', message: 'listening', signals: ['bell:a'] };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'listening');
  await bench.settled();
  raise();
  await bench.settled();
  assert.equal(turns, 2);
  raise();
  raise();
  await bench.settled();
  assert.equal(turns, 2, 'the second advance is still under way');
  gates[0]?.resolve();
  await bench.ended('one');
  assert.equal(turns, 3);
});

test('what happens between a step reading and its subscription is not lost', async (t) => {
  // The source raises each new subscription once, from a read of its own: that is what this relies on.
  let ready = false;
  const source = {
    prefix: 'bell',
    subscribe(_key: string, ring: () => void) {
      ready = true;
      ring();
      return () => {};
    },
  };
  const bench = await openWorkbench({
    sources: [source],
    steps: [toyStep(async () => (ready ? done : { kind: 'waiting', message: 'listening', signals: ['bell:a'] }))],
  });
  t.after(bench.close);
  await bench.submit('one');
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

test('a subscription that goes on is kept, and released at the end', async (t) => {
  const log: string[] = [];
  let raise = () => {};
  let turns = 0;
  const source = {
    prefix: 'bell',
    subscribe(key: string, ring: () => void) {
      log.push(`subscribe ${key}`);
      raise = ring;
      return () => log.push(`release ${key}`);
    },
  };
  const signals = [['bell:a'], ['bell:a'], ['bell:a', 'bell:b']];
  const bench = await openWorkbench({
    sources: [source],
    steps: [
      toyStep(async () => {
        const next = signals[turns++];
        return next === undefined ? done : { kind: 'waiting', message: `${turns}`, signals: next };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  for (const message of ['1', '2', '3']) {
    await bench.until('one', ({ status }) => status.message === message || message === '2');
    await bench.settled();
    raise();
  }
  await bench.ended('one');
  await bench.settled();
  assert.deepEqual(log, ['subscribe a', 'subscribe b', 'release a', 'release b']);
});

test('times that a step or the jitter computes as fractions are stored whole', async (t) => {
  let turn = 0;
  const bench = await openWorkbench({
    random: () => Math.PI / 10,
    steps: [
      toyStep(async ({ now }) => {
        turn += 1;
        if (turn === 1) throw new Error('no luck');
        if (turn === 2) throw new NotSent('slow down', { notBefore: now() + 0.3 });
        return turn === 3 ? { kind: 'waiting', message: 'a third of a second', until: now() + 1_000 / 3 } : done;
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  for (let i = 0; i < 4; i++) {
    await bench.settled();
    bench.clock.advance(1_000);
  }
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});
