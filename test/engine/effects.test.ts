import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotSent, Rejected } from '../../src/core/effect.ts';
import type { Execution } from '../../src/core/execution.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import { effectStep, openWorkbench, toyStep } from './workbench.ts';

/** A provider in memory: what was sent to it, and what it answers next. */
function provider(answers: readonly (JsonObject | Error)[]) {
  const sent: string[] = [];
  return {
    sent,
    async send({ mark }: { mark: string }): Promise<JsonObject> {
      const answer = answers[sent.length] ?? new Error('unexpected send');
      sent.push(mark);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

const writeOf = ({ status }: Execution) => status.effects.find(({ name }) => name === 'write');

test('the intent is durable before the send, and the result is written with the end', async (t) => {
  const seen: unknown[] = [];
  const bench = await openWorkbench({
    steps: [
      effectStep(() => ({
        repeat: 'find',
        request: { body: 1 },
        prepare: async () => ({ known: [7] }),
        async send(intent) {
          const stored = await bench.store.get({ namespace: 'default', id: 'one' });
          seen.push(stored?.status.state, stored?.status.effects[0], intent);
          return { run: 1 };
        },
      })),
    ],
  });
  t.after(bench.close);
  let writes = 0;
  bench.store.watch(() => {
    writes += 1;
  });
  await bench.submit('one');
  const { status } = await bench.ended('one');
  const now = bench.clock.now();
  const [state, record, intent] = seen;
  assert.equal(state, 'running');
  assert.deepEqual(record, {
    name: 'write',
    repeat: 'find',
    request: { body: 1 },
    evidence: { known: [7] },
    intentAt: now,
  });
  assert.match((intent as { mark: string }).mark, /^[a-z2-7]{26}$/);
  assert.deepEqual(status.outputs, { run: 1 });
  assert.deepEqual([status.effects[0]?.sentAt, status.effects[0]?.doneAt], [now, now]);
  assert.equal(writes, 3, 'created, intent, result with the end');
});

test('an effect that is done is not sent again, though the step fails afterwards', async (t) => {
  const { sent, send } = provider([{ run: 1 }]);
  let turn = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async (context) => {
        const settled = await context.effect('write', { repeat: 'find', request: {}, send });
        turn += 1;
        if (turn === 1) throw new Error('after the effect');
        return 'done' in settled ? { kind: 'succeeded', outputs: settled.done } : settled.stop;
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.attempts === 1);
  bench.clock.advance(1_000);
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 1 });
  assert.equal(sent.length, 1);
});

test('Rejected by a send ends the execution with its reason, and is kept in the journal', async (t) => {
  const { send } = provider([new Rejected('EffectFailed', 'no such workflow')]);
  const bench = await openWorkbench({ steps: [effectStep(() => ({ repeat: 'find', request: {}, send }))] });
  t.after(bench.close);
  await bench.submit('one');
  const ended = await bench.ended('one');
  assert.deepEqual([ended.status.reason, ended.status.message], ['EffectFailed', 'no such workflow']);
  assert.deepEqual(writeOf(ended)?.rejected, { reason: 'EffectFailed', message: 'no such workflow' });
});

test('NotSent waits for its time, looks once, and sends again with the same mark', async (t) => {
  const log: string[] = [];
  const { sent, send } = provider([new NotSent('slow down', { notBefore: 0 }), { run: 1 }]);
  const bench = await openWorkbench({
    steps: [
      effectStep(({ now }) => ({
        repeat: 'find',
        request: {},
        async send(intent) {
          log.push('send');
          try {
            return await send(intent);
          } catch (error) {
            throw new NotSent((error as Error).message, { notBefore: now() + 60_000 });
          }
        },
        async find() {
          log.push('find');
          return 'unknown';
        },
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const waiting = await bench.until('one', ({ status }) => status.message === 'slow down');
  assert.equal(writeOf(waiting)?.notBefore, bench.clock.now() + 60_000);
  bench.clock.advance(60_000);
  await bench.ended('one');
  assert.deepEqual(log, ['send', 'find', 'send']);
  assert.equal(new Set(sent).size, 1);
});

test('an effect whose preparation says to wait leaves no intent, and is prepared anew when its time has come', async (t) => {
  const seen: unknown[] = [];
  let mustWait = true;
  const bench = await openWorkbench({
    steps: [
      effectStep(({ now }) => ({
        repeat: 'find',
        request: {},
        async prepare() {
          if (mustWait) throw new NotSent('another one is at it', { notBefore: now() + 60_000 });
          return { at: now() };
        },
        async send({ evidence }) {
          seen.push(evidence);
          return { run: 1 };
        },
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const waiting = await bench.until('one', ({ status }) => status.message === 'another one is at it');
  assert.deepEqual([writeOf(waiting), waiting.status.attempts], [undefined, 0]);
  mustWait = false;
  bench.clock.advance(60_000);
  await bench.ended('one');
  assert.deepEqual(seen, [{ at: bench.clock.now() }]);
});

test('a rate-limited send that counted after all is adopted and not sent again', async (t) => {
  const { sent, send } = provider([new NotSent('slow down')]);
  const bench = await openWorkbench({
    steps: [effectStep(() => ({ repeat: 'find', request: {}, send, find: async () => ({ run: 9 }) }))],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'slow down');
  bench.clock.advance(1_000);
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 9 });
  assert.equal(sent.length, 1);
});

test('an open `find` effect is looked for and adopted when it turns up, never sent again', async (t) => {
  const { sent, send } = provider([new Error('socket hang up')]);
  let looks = 0;
  const bench = await openWorkbench({
    steps: [
      effectStep(() => ({
        repeat: 'find',
        request: {},
        graceMs: 200_000,
        send,
        async find() {
          looks += 1;
          return looks < 4 ? 'unknown' : { run: 5 };
        },
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'looking for what became of write');
  for (let i = 0; i < 3; i++) {
    await bench.settled();
    bench.clock.advance(20_000);
  }
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 5 });
  assert.equal(sent.length, 1);
});

for (const [policy, sends, reason] of [
  ['fail', 1, 'Uncertain'],
  ['resend', 2, undefined],
] as const) {
  test(`what never turns up within the grace: onUncertain ${policy}`, async (t) => {
    const { sent, send } = provider([new Error('socket hang up'), { run: 2 }]);
    const bench = await openWorkbench({
      steps: [
        effectStep(() => ({
          repeat: 'find',
          request: {},
          graceMs: 60_000,
          onUncertain: policy,
          send,
          find: async () => 'unknown',
        })),
      ],
    });
    t.after(bench.close);
    await bench.submit('one');
    await bench.until('one', ({ status }) => status.message.startsWith('looking'));
    for (let i = 0; i < 100 && sent.length === 1; i++) {
      await bench.settled();
      bench.clock.advance(1_000);
    }
    const { status } = await bench.ended('one');
    assert.equal(status.reason, reason);
    assert.equal(sent.length, sends);
  });
}

test('what is provably absent is sent again at once', async (t) => {
  const { sent, send } = provider([new Error('socket hang up'), { run: 2 }]);
  const bench = await openWorkbench({
    steps: [effectStep(() => ({ repeat: 'find', request: {}, graceMs: 60_000, send, find: async () => 'absent' }))],
  });
  t.after(bench.close);
  await bench.submit('one');
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 2 });
  assert.equal(sent.length, 2);
});

test('an open `safe` effect is sent again with backoff, each try counted', async (t) => {
  const { sent, send } = provider([new Error('502'), new Error('502'), { ok: true }]);
  const bench = await openWorkbench({ steps: [effectStep(() => ({ repeat: 'safe', request: {}, send }))] });
  t.after(bench.close);
  await bench.submit('one');
  for (const attempt of [1, 2]) {
    await bench.until('one', ({ status }) => status.attempts === attempt);
    bench.clock.advance(2_000);
  }
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.attempts, sent.length], ['succeeded', 2, 3]);
});

test('after a restart the stored request is sent, whatever the step would make of it now', async (t) => {
  const bodies: unknown[] = [];
  let version = 1;
  const bench = await openWorkbench({
    steps: [
      effectStep(() => ({
        repeat: 'keyed',
        request: { version },
        async send({ request }) {
          bodies.push(request);
          version += 1;
          if (bodies.length === 1) throw new Error('lost');
          return {};
        },
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.attempts === 1);
  bench.clock.advance(1_000);
  await bench.ended('one');
  assert.deepEqual(bodies, [{ version: 1 }, { version: 1 }]);
});

test('a result over 16 KiB fails as TooLarge and is not repeated', async (t) => {
  const { sent, send } = provider([{ big: 'x'.repeat(limits.effectResultBytes) }]);
  const bench = await openWorkbench({ steps: [effectStep(() => ({ repeat: 'safe', request: {}, send }))] });
  t.after(bench.close);
  await bench.submit('one');
  assert.equal((await bench.ended('one')).status.reason, 'TooLarge');
  assert.equal(sent.length, 1);
});

test('effects of one advance run side by side, each with its own intent', async (t) => {
  const both = Promise.withResolvers<void>();
  const sending = new Set<string>();
  const bench = await openWorkbench({
    steps: [
      toyStep(async (context) => {
        const one = (name: string) =>
          context.effect(name, {
            repeat: 'find',
            request: {},
            async send() {
              sending.add(name);
              if (sending.size === 2) both.resolve();
              await both.promise;
              return { name };
            },
          });
        const settled = await Promise.all([one('a'), one('b')]);
        return { kind: 'succeeded', outputs: { settled: settled.length } };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.deepEqual(status.effects.map(({ name, result }) => [name, result?.name]).sort(), [
    ['a', 'a'],
    ['b', 'b'],
  ]);
});

test('a send that is under way when the advance runs out of time is waited for, and its result is kept', async (t) => {
  const answer = Promise.withResolvers<JsonObject>();
  let sends = 0;
  const bench = await openWorkbench({
    steps: [
      effectStep(() => ({
        repeat: 'find',
        request: {},
        send() {
          sends += 1;
          return answer.promise;
        },
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', (execution) => writeOf(execution) !== undefined);
  await bench.settled();
  bench.clock.advance(limits.advanceMs);
  await bench.settled();
  answer.resolve({ run: 3 });
  await bench.until('one', (execution) => writeOf(execution)?.result !== undefined);
  bench.clock.advance(2_000);
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 3 });
  assert.equal(sends, 1);
});

test('a send that never settles counts as open in the end', async (t) => {
  const bench = await openWorkbench({
    steps: [
      effectStep(() => ({
        repeat: 'find',
        request: {},
        send: () => new Promise(() => {}),
        find: async () => ({ run: 4 }),
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', (execution) => writeOf(execution) !== undefined);
  await bench.settled();
  bench.clock.advance(limits.sendMs);
  await bench.until('one', ({ status }) => status.attempts === 1);
  bench.clock.advance(2_000);
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 4 });
});

test('an effect that one advance asks for twice at once is sent once', async (t) => {
  const { sent, send } = provider([{ run: 1 }]);
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ effect }) => {
        const write = { repeat: 'find', request: {}, send } as const;
        const both = await Promise.all([effect('write', write), effect('write', write)]);
        assert.deepEqual(both[0], both[1]);
        return { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
  assert.equal(sent.length, 1);
});

test('an effect that fails while the step awaits another one is no unhandled rejection', async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ effect }) => {
        const failing = {
          repeat: 'safe',
          request: {},
          prepare: () => Promise.reject(new Rejected('EffectFailed', 'not there')),
          send: async () => ({}),
        } as const;
        const both = [effect('one', failing), effect('two', failing)] as const;
        await both[0];
        await both[1];
        return { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  assert.equal((await bench.ended('one')).status.reason, 'EffectFailed');
  await bench.settled();
  assert.deepEqual(unhandled, []);
});
