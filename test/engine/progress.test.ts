import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotSent, Rejected } from '../../src/core/effect.ts';
import { limits } from '../../src/core/limits.ts';
import type { Items, SendRange } from '../../src/core/step.ts';
import { openWorkbench, toyStep } from './workbench.ts';

function bulkStep(items: () => Items, sendRange: SendRange) {
  return toyStep(async ({ progress }) => {
    const settled = await progress('purge', items(), sendRange);
    if ('stop' in settled) return settled.stop;
    const { failedCount, receipts, done } = settled.done;
    return { kind: 'succeeded', outputs: { failedCount, receipts, done } };
  });
}

/** Counts how often each item was sent. */
function counter(count: number) {
  const sent = new Array<number>(count).fill(0);
  const calls: number[] = [];
  return {
    sent,
    calls,
    add({ start, end }: { start: number; end: number }) {
      calls.push(end - start);
      for (let index = start; index < end; index++) sent[index] = (sent[index] ?? 0) + 1;
    },
  };
}

const items = (count: number, changes: Partial<Items> = {}): Items => ({
  count,
  digest: 'same',
  batchSize: 100,
  concurrency: 1,
  ...changes,
});

test('every item is sent once, in full batches, and refusals and receipts are kept', async (t) => {
  const { sent, calls, add } = counter(250);
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(250),
        async (range) => {
          add(range);
          return { receipt: range.start, failed: range.start === 100 ? [{ index: 117, message: 'bad' }] : [] };
        },
      ),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.ok(sent.every((times) => times === 1));
  assert.deepEqual(calls, [100, 100, 50]);
  assert.deepEqual(status.outputs, { failedCount: 1, receipts: [0, 100, 200], done: [[0, 250]] });
  assert.deepEqual(status.effects[0]?.progress?.failed, [{ index: 117, message: 'bad' }]);
});

test('batches run side by side up to the concurrency', async (t) => {
  let running = 0;
  let most = 0;
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(1_000, { concurrency: 4 }),
        async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return {};
        },
      ),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.ended('one');
  assert.equal(most, 4);
});

test('another batch size at the next turn fills the gaps: every item sent, and those kept as done not again', async (t) => {
  const { sent, calls, add } = counter(1_000);
  let batchSize = 100;
  let fails = 1;
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(1_000, { batchSize, concurrency: 3 }),
        async (range) => {
          if (range.start >= 300 && fails-- > 0) throw new Error('502');
          add(range);
          return {};
        },
      ),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const interrupted = await bench.until('one', ({ status }) => status.attempts === 1);
  assert.ok((interrupted.status.effects[0]?.progress?.done.length ?? 0) > 0);
  batchSize = 70;
  bench.clock.advance(1_000);
  const { status } = await bench.ended('one');
  assert.deepEqual(status.outputs.done, [[0, 1_000]]);
  assert.deepEqual(
    sent.filter((times) => times !== 1),
    [],
  );
  assert.ok(calls.includes(70));
});

test('other items start over', async (t) => {
  const { sent, add } = counter(200);
  let digest = 'before';
  let fails = 1;
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(200, { digest }),
        async (range) => {
          if (range.start === 100 && fails-- > 0) throw new Error('502');
          add(range);
          return {};
        },
      ),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.attempts === 1);
  digest = 'after';
  bench.clock.advance(1_000);
  await bench.ended('one');
  assert.deepEqual([sent[0], sent[199]], [2, 1]);
});

test('a rate limit stops all lanes until its time; a rejection ends the execution', async (t) => {
  let calls = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ progress, now }) => {
        const settled = await progress('purge', items(500), async () => {
          calls += 1;
          if (calls === 2) throw new NotSent('bucket empty', { notBefore: now() + 30_000 });
          if (calls === 4) throw new Rejected('EffectFailed', 'no such zone');
          return {};
        });
        return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const waiting = await bench.until('one', ({ status }) => status.message === 'bucket empty');
  assert.equal(waiting.status.wakeAt, bench.clock.now() + 30_000);
  assert.deepEqual(waiting.status.effects[0]?.progress?.done, [[0, 100]]);
  bench.clock.advance(30_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, status.message, calls], ['EffectFailed', 'no such zone', 4]);
});

test('long work gives its turn to others and writes at most once a second', async (t) => {
  const { sent, add } = counter(3_000);
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(3_000, { batchSize: 100 }),
        async (range) => {
          add(range);
          bench.clock.advance(700);
          return {};
        },
      ),
    ],
  });
  t.after(bench.close);
  let writes = 0;
  bench.store.watch(() => {
    writes += 1;
  });
  await bench.submit('one', {}, { timeout: '1h' });
  await bench.ended('one');
  assert.ok(sent.every((times) => times === 1));
  assert.ok(writes <= 21 + 8, `${writes} writes for 21 s of work in three turns`);
});

test('a cancel between batches ends the work where it is', async (t) => {
  const { calls, add } = counter(500);
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(500),
        async (range) => {
          add(range);
          if (range.start === 100) await bench.engine.cancel({ namespace: 'default', id: 'one' }, 'ann');
          bench.clock.advance(1_000);
          return {};
        },
      ),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.equal(status.state, 'cancelled');
  assert.deepEqual(calls, [100, 100]);
});

test('a rejection that comes when the slice is over still ends the execution', async (t) => {
  const late = Promise.withResolvers<object>();
  const bench = await openWorkbench({
    steps: [
      bulkStep(
        () => items(4, { batchSize: 1, concurrency: 2 }),
        async ({ start }) => {
          // The other lane has begun by then.
          if (start === 0) await bench.settled().then(() => bench.clock.advance(10_000));
          return start === 1 ? await late.promise : {};
        },
      ),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  for (let i = 0; i < 3; i++) await bench.settled();
  late.resolve({ receipt: 'x'.repeat(limits.effectResultBytes) });
  await bench.settled();
  const { status } = await bench.ended('one');
  assert.equal(status.reason, 'TooLarge');
});
