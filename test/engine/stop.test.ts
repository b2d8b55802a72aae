import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotSent } from '../../src/core/effect.ts';
import type { Stop } from '../../src/core/execution.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import { Problem } from '../../src/core/problem.ts';
import type { Outcome, StepContext } from '../../src/core/step.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openWorkbench, toyStep } from './workbench.ts';

const one = { namespace: 'default', id: 'one' };

type Stopped = (context: StepContext, stop: Stop) => Promise<Outcome>;

/** Waits for good until it is stopped, then does as told. */
function patientStep(stopped: Stopped) {
  return toyStep(async (context) =>
    context.stop === undefined
      ? { kind: 'waiting', message: 'patient', until: context.now() + 3_600_000 }
      : stopped(context, context.stop),
  );
}
const patient = patientStep(async (_, stop) => ({
  kind: 'failed',
  reason: stop.reason,
  message: `stopped: ${stop.message}`,
}));

type Bench = Awaited<ReturnType<typeof openWorkbench>>;

/** At the moment when the deadline of `one` passes. */
async function openAtDeadline(stopped: Stopped): Promise<Bench> {
  const bench = await openWorkbench({ steps: [patientStep(stopped)] });
  await bench.submit('one', {}, { timeout: '1m' });
  await bench.until('one', ({ status }) => status.message === 'patient');
  bench.clock.advance(60_000);
  return bench;
}

test('cancel ends a waiting execution at once as cancelled, and says who asked', async (t) => {
  const bench = await openWorkbench({ steps: [patient] });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'patient');
  const answered = await bench.engine.cancel(one, 'ann');
  assert.equal(answered.status.stop?.reason, 'Cancelled');
  const { status } = await bench.ended('one');
  assert.deepEqual(
    [status.state, status.reason, status.message],
    ['cancelled', 'Cancelled', 'stopped: cancelled by ann'],
  );
  await assert.rejects(
    bench.engine.cancel(one, 'ann'),
    (error) => error instanceof Problem && error.code === 'already-final',
  );
});

test('a deadline ends a waiting execution as failed with TimedOut', async (t) => {
  const bench = await openWorkbench({ steps: [patient] });
  t.after(bench.close);
  await bench.submit('one', {}, { timeout: '5m' });
  await bench.until('one', ({ status }) => status.message === 'patient');
  bench.clock.advance(5 * 60_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.reason], ['failed', 'TimedOut']);
  assert.match(status.message, /not done within 5m; it was: patient/);
});

for (const [cause, stopIt] of [
  ['cancel', (bench: Bench) => bench.engine.cancel(one, 'ann')],
  ['time-out', async (bench: Bench) => bench.clock.advance(60_000)],
] as const) {
  test(`${cause} during an open send: it is not aborted, its result counts, and nothing new is sent`, async (t) => {
    const answer = Promise.withResolvers<JsonObject>();
    const log: string[] = [];
    const bench = await openWorkbench({
      steps: [
        toyStep(async ({ effect, stop, now }) => {
          const first = await effect('first', {
            repeat: 'find',
            request: {},
            graceMs: 60_000,
            send() {
              log.push('first');
              return answer.promise;
            },
          });
          if ('stop' in first) return first.stop;
          if (stop !== undefined) {
            const undo = await effect('undo', {
              repeat: 'safe',
              request: {},
              async send() {
                log.push('undo');
                return {};
              },
            });
            return 'stop' in undo
              ? undo.stop
              : { kind: 'failed', reason: stop.reason, message: 'undone', outputs: first.done };
          }
          const second = await effect('second', {
            repeat: 'find',
            request: {},
            async send() {
              log.push('second');
              return {};
            },
          });
          return 'stop' in second ? second.stop : { kind: 'waiting', message: 'both', until: now() + 1_000 };
        }),
      ],
    });
    t.after(bench.close);
    await bench.submit('one', {}, { timeout: '1m' });
    await bench.until('one', ({ status }) => status.effects.length === 1);
    await bench.settled();
    await stopIt(bench);
    await bench.settled();
    // The advance was given up for its length by the time-out, but never the send.
    answer.resolve({ run: 1 });
    for (let i = 0; i < 5; i++) {
      await bench.settled();
      bench.clock.advance(1_000);
    }
    const { status } = await bench.ended('one');
    assert.deepEqual(log, ['first', 'undo']);
    assert.equal(status.reason, cause === 'cancel' ? 'Cancelled' : 'TimedOut');
    assert.deepEqual(status.outputs, { run: 1 });
  });
}

test('what ended before the stop was seen is reported truly', async (t) => {
  const gate = Promise.withResolvers<void>();
  const bench = await openWorkbench({
    steps: [
      toyStep(async () => {
        await gate.promise;
        return { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.settled();
  await bench.engine.cancel(one, 'ann');
  gate.resolve();
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

test('a stop while an effect waits for a rate limit: it is never sent', async (t) => {
  let sends = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ effect, stop, now }) => {
        const settled = await effect('write', {
          repeat: 'find',
          request: {},
          async send() {
            sends += 1;
            throw new NotSent('slow down', { notBefore: now() + 60_000 });
          },
        });
        if ('stop' in settled) return settled.stop;
        return { kind: 'failed', reason: stop?.reason ?? 'StepBroken', message: 'sent?' };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'slow down');
  await bench.engine.cancel(one, 'ann');
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, sends], ['cancelled', 1]);
});

test('undoing has two minutes', async (t) => {
  const bench = await openWorkbench({
    steps: [toyStep(async ({ now }) => ({ kind: 'waiting', message: 'not yet', until: now() + 10_000 }))],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'not yet');
  await bench.engine.cancel(one, 'ann');
  const stopped = await bench.until('one', ({ status }) => status.stop?.until !== undefined);
  assert.equal(stopped.status.stop?.until, bench.clock.now() + limits.stopMs);
  for (let i = 0; i < 12; i++) {
    await bench.settled();
    bench.clock.advance(10_000);
  }
  const { status } = await bench.ended('one');
  assert.equal(status.state, 'cancelled');
  assert.match(status.message, /undoing was given up after 2m/);
});

test('an execution that was stopped before it started never calls its step', async (t) => {
  let advances = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async () => {
        advances += 1;
        return { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.engine.cancel(one, 'ann');
  const { status } = await bench.ended('one');
  assert.equal(status.state, 'cancelled');
  assert.equal(advances, 0);
});

test('an undo that must be found is looked for by a step that is told of the stop, and the rest follows', async (t) => {
  let told = 0;
  const bench = await openWorkbench({
    steps: [
      patientStep(async ({ effect }, stop) => {
        told += 1;
        const undone = await effect('undo', {
          repeat: 'find',
          request: {},
          graceMs: 60_000,
          send: () => Promise.reject(new Error('socket hang up')),
          find: async () => (told > 1 ? { run: 1 } : 'unknown'),
        });
        return 'stop' in undone ? undone.stop : { kind: 'failed', reason: stop.reason, message: 'undone' };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'patient');
  await bench.engine.cancel(one, 'ann');
  for (let i = 0; i < 5; i++) {
    await bench.settled();
    bench.clock.advance(5_000);
  }
  assert.equal(told, 2);
  assert.equal((await bench.ended('one')).status.message, 'undone');
});

for (const [name, isAsking] of [
  ['cannot be looked for', true],
  ['the step does not ask for any more', false],
] as const) {
  test(`an open effect that ${name} keeps an execution not for ever: it ends as Uncertain`, async (t) => {
    const clock = new ManualClock();
    let isOut = false;
    const bench = await openWorkbench({
      clock,
      steps: [
        toyStep(async ({ effect, now }) => {
          if (isOut && !isAsking) return { kind: 'waiting', message: 'elsewhere', until: now() + 365 * 86_400_000 };
          const settled = await effect('write', {
            repeat: 'find',
            request: {},
            graceMs: 10_000,
            async send() {
              isOut = true;
              throw new Error('socket hang up');
            },
            find: () => Promise.reject(new Error('the provider is gone')),
          });
          return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
        }),
      ],
    });
    t.after(bench.close);
    await bench.submit('one', {}, { timeout: '1m' });
    for (let i = 0; i < 60; i++) {
      await bench.settled();
      clock.advance(10_000);
    }
    await bench.settled();
    const status = (await bench.store.get(one))?.status;
    assert.deepEqual([status?.state, status?.reason], ['failed', 'Uncertain']);
    assert.match(status?.message ?? '', /not done within 1m.*became of write/);
  });
}

test('a cancel that is stored while an advance reads: what is open is not sent again', async (t) => {
  let sends = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ effect, stop }) => {
        if (stop !== undefined) return { kind: 'failed', reason: stop.reason, message: stop.message };
        // A read, before the effect of a further advance.
        if (sends > 0) await bench.engine.cancel(one, 'ann');
        const settled = await effect('write', {
          repeat: 'safe',
          request: {},
          async send() {
            sends += 1;
            throw new Error('502');
          },
        });
        return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.attempts === 1);
  bench.clock.advance(1_000);
  assert.equal((await bench.ended('one')).status.state, 'cancelled');
  assert.equal(sends, 1);
});

test('bulk work that undoes goes out though the deadline has passed', async (t) => {
  const bench = await openAtDeadline(async ({ progress }, stop) => {
    const items = { count: 2, digest: '', batchSize: 1, concurrency: 1 };
    const undone = await progress('undo', items, async () => ({}));
    return 'stop' in undone ? undone.stop : { kind: 'failed', reason: stop.reason, message: 'undone' };
  });
  t.after(bench.close);
  await bench.settled();
  assert.equal((await bench.store.get(one))?.status.message, 'undone');
});

test('a clock that was put back does not make an effect from before the stop one that undoes', async (t) => {
  const clock = new ManualClock();
  let sends = 0;
  const bench = await openWorkbench({
    clock,
    steps: [
      toyStep(async ({ effect, stop }) => {
        const settled = await effect('write', {
          repeat: 'safe',
          request: {},
          async send() {
            sends += 1;
            throw new Error('502');
          },
        });
        if (stop !== undefined) return { kind: 'failed', reason: stop.reason, message: stop.message };
        return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.attempts === 1);
  clock.advance(-60_000);
  await bench.engine.cancel(one, 'ann');
  assert.equal((await bench.ended('one')).status.state, 'cancelled');
  assert.equal(sends, 1);
});

test('a cancel that is stored while a time-out is undone does not turn the undo into an effect from before it', async (t) => {
  let isCancelled = false;
  const bench = await openAtDeadline(async ({ effect }, stop) => {
    if (!isCancelled) await bench.engine.cancel(one, 'ann');
    isCancelled = true;
    const undone = await effect('undo', { repeat: 'safe', request: {}, send: async () => ({}) });
    return 'stop' in undone ? undone.stop : { kind: 'failed', reason: stop.reason, message: 'undone' };
  });
  t.after(bench.close);
  const { status } = await bench.until('one', ({ status }) => status.effects.length > 0);
  assert.equal(status.stop?.reason, 'TimedOut');
  assert.ok((status.effects[0]?.intentAt ?? 0) > status.stop.at);
  assert.equal((await bench.ended('one')).status.message, 'undone');
});
