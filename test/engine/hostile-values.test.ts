import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '../../src/core/effect.ts';
import { NotSent, Rejected } from '../../src/core/effect.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import type { ReadyGate } from '../../src/core/ready-gate.ts';
import type { Outcome } from '../../src/core/step.ts';
import { effectStep, openWorkbench, toyStep } from './workbench.ts';

const done: Outcome = { kind: 'succeeded', outputs: {} };

/** What a provider's answer may bring where TypeScript promises JSON. */
const notJson = 1n as unknown as Json;

for (const [name, notBefore] of [
  ['no number', Number.NaN],
  ['without end', Number.POSITIVE_INFINITY],
] as const) {
  test(`a NotSent until a time that is ${name} backs off, and stops no other execution`, async (t) => {
    const bench = await openWorkbench({
      steps: [
        toyStep(async ({ execution, state, now }) => {
          if (state !== undefined) return done;
          if (execution.id === 'odd') throw new NotSent('slow down', { notBefore });
          return { kind: 'waiting', message: 'w', until: now() + 1_000, state: 1 };
        }),
      ],
    });
    t.after(bench.close);
    await bench.submit('odd');
    const odd = await bench.until('odd', ({ status }) => status.message === 'slow down');
    assert.equal(odd.status.wakeAt, bench.clock.now() + 500);
    await bench.submit('even');
    await bench.until('even', ({ status }) => status.message === 'w');
    await bench.settled();
    bench.clock.advance(1_000);
    assert.equal((await bench.ended('even')).status.state, 'succeeded');
  });
}

test('an effect that may go out again at a time that is past backs off', async (t) => {
  let sends = 0;
  const bench = await openWorkbench({
    steps: [
      effectStep(({ now }) => ({
        repeat: 'keyed',
        request: {},
        async send() {
          sends += 1;
          throw new NotSent('Retry-After: 0', { notBefore: now() });
        },
      })),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'Retry-After: 0');
  await bench.settled();
  assert.equal(sends, 1);
  bench.clock.advance(500);
  await bench.settled();
  assert.equal(sends, 2);
  bench.clock.advance(500);
  await bench.settled();
  assert.equal(sends, 2, 'the second wait is longer');
});

test('the same for bulk work', async (t) => {
  let sends = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ progress, now }) => {
        const items = { count: 2, digest: '', batchSize: 1, concurrency: 1 };
        const settled = await progress('purge', items, async () => {
          sends += 1;
          throw new NotSent('Retry-After: 0', { notBefore: now() });
        });
        return 'stop' in settled ? settled.stop : done;
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'Retry-After: 0');
  await bench.settled();
  assert.equal(sends, 1);
});

test('a step that asks to go on at once, and has come no further, backs off', async (t) => {
  let turns = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ now }) => {
        turns += 1;
        return { kind: 'waiting', message: 'restless', until: now() };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'restless');
  await bench.settled();
  assert.ok(turns <= 2, `${turns} turns at one moment`);
});

test('a wait until long before the beginning of time is stored as one until now', async (t) => {
  let turns = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async () => {
        turns += 1;
        return turns > 1 ? done : { kind: 'waiting', message: 'w', until: -1e300 };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

const fine: Effect<Json, JsonObject> = { repeat: 'safe', request: {}, send: async () => ({}) };

for (const [name, changes] of [
  ['a request', { request: notJson }],
  ['evidence', { prepare: async () => notJson }],
  ['a result', { send: async () => ({ count: notJson }) }],
  ['no result at all', { send: async () => undefined as unknown as JsonObject }],
] as const satisfies readonly (readonly [string, Partial<Effect<Json, JsonObject>>])[]) {
  test(`an effect with ${name} that is not JSON fails as StepBroken and is not repeated`, async (t) => {
    let sends = 0;
    const bench = await openWorkbench({
      steps: [
        toyStep(async (context) => {
          const effect = { ...fine, ...changes };
          const send: typeof effect.send = (intent) => {
            sends += 1;
            return effect.send(intent);
          };
          const settled = await context.effect('write', { ...effect, send });
          return 'done' in settled ? done : settled.stop;
        }),
      ],
    });
    t.after(bench.close);
    await bench.submit('one');
    await bench.settled();
    const status = (await bench.store.get({ namespace: 'default', id: 'one' }))?.status;
    assert.deepEqual([status?.state, status?.reason], ['failed', 'StepBroken']);
    assert.ok(sends <= 1);
  });
}

test('a result is the same before and after a restart: as its JSON says', async (t) => {
  const at = new Date(0);
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ effect }) => {
        const result = { at, nothing: undefined } as unknown as JsonObject;
        const settled = await effect('write', { ...fine, send: async () => result });
        assert.deepEqual(settled, { done: { at: at.toISOString() } });
        return done;
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

for (const [name, receipt, reason] of [
  ['not JSON', notJson, 'StepBroken'],
  ['too large', 'x'.repeat(limits.effectResultBytes), 'TooLarge'],
] as const) {
  test(`a receipt that is ${name} fails as ${reason}, is not kept, and its items count as sent`, async (t) => {
    const bench = await openWorkbench({
      steps: [
        toyStep(async ({ progress }) => {
          const items = { count: 2, digest: '', batchSize: 1, concurrency: 1 };
          const settled = await progress('purge', items, async () => ({ receipt }));
          return 'stop' in settled ? settled.stop : done;
        }),
      ],
    });
    t.after(bench.close);
    await bench.submit('one');
    await bench.settled();
    const status = (await bench.store.get({ namespace: 'default', id: 'one' }))?.status;
    assert.deepEqual([status?.state, status?.reason], ['failed', reason]);
    assert.deepEqual(status?.effects[0]?.progress?.receipts, []);
    assert.deepEqual(status?.effects[0]?.progress?.done, [[0, 1]]);
  });
}

for (const [name, changes] of [
  ['batches of nothing', { batchSize: 0 }],
  ['batches of no number', { batchSize: Number.NaN }],
  ['half an item a batch', { batchSize: 0.5 }],
  ['no lanes', { concurrency: 0 }],
  ['lanes without number', { concurrency: Number.NaN }],
  ['lanes without end', { concurrency: Number.POSITIVE_INFINITY }],
] as const) {
  test(`bulk work in ${name} sends every item once`, async (t) => {
    const sent: number[] = [];
    const bench = await openWorkbench({
      steps: [
        toyStep(async ({ progress }) => {
          const items = { count: 3, digest: '', batchSize: 1, concurrency: 1, ...changes };
          const settled = await progress('purge', items, async ({ start, end }) => {
            if (sent.length > 10) throw new Rejected('StepBroken', 'too often');
            for (let index = start; index < end; index++) sent.push(index);
            if (start === end) sent.push(-1);
            return {};
          });
          return 'stop' in settled ? settled.stop : done;
        }),
      ],
    });
    t.after(bench.close);
    await bench.submit('one');
    const { status } = await bench.ended('one');
    assert.equal(status.state, 'succeeded');
    assert.deepEqual(sent.sort(), [0, 1, 2]);
  });
}

const long = 'x'.repeat(1_000_000);

for (const [name, advance] of [
  ['an outcome', async () => ({ kind: 'failed', reason: 'EffectFailed', message: long })],
  ['a wait', async () => ({ kind: 'waiting', message: long, until: 1e15 })],
  ['a rejection', () => Promise.reject(new Rejected('EffectFailed', long))],
  ['a throw', () => Promise.reject(new Error(long))],
  ['a NotSent', () => Promise.reject(new NotSent(long))],
] as const satisfies readonly (readonly [string, () => Promise<Outcome>])[]) {
  test(`the message of ${name} is cut before it is stored`, async (t) => {
    const bench = await openWorkbench({ steps: [toyStep(advance)] });
    t.after(bench.close);
    await bench.submit('one');
    const { status } = await bench.until('one', ({ status }) => status.message.includes('xxx'));
    assert.ok(status.message.length <= 2_100, `${status.message.length} characters`);
  });
}

test('the messages of refused effects and items are cut before they are stored', async (t) => {
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ effect, progress }) => {
        await effect('write', { ...fine, send: () => Promise.reject(new Rejected('EffectFailed', long)) });
        const items = { count: 1, digest: '', batchSize: 1, concurrency: 1 };
        await progress('purge', items, async () => ({ failed: [{ index: 0, message: long }] }));
        await progress('more', items, () => Promise.reject(new Rejected('EffectFailed', long)));
        return done;
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.equal(status.effects.length, 3);
  assert.ok(JSON.stringify(status).length < 10_000);
});

test('outputs that grow from wait to wait fail as TooLarge when all together are over 64 KiB', async (t) => {
  let turn = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ now }) => {
        turn += 1;
        const outputs = { [`part${turn}`]: 'x'.repeat(limits.outputsBytes / 4) };
        return { kind: 'waiting', message: `${turn}`, until: now() + 1_000, outputs };
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  for (let i = 0; i < 6; i++) {
    await bench.settled();
    bench.clock.advance(1_000);
  }
  const status = (await bench.store.get({ namespace: 'default', id: 'one' }))?.status;
  assert.equal(status?.reason, 'TooLarge');
  assert.deepEqual(Object.keys(status?.outputs ?? {}), ['part1', 'part2', 'part3']);
});

for (const [name, look] of [
  ['until no time', { kind: 'waiting', message: 'w', until: Number.NaN }],
  ['with too large a state', { kind: 'waiting', message: 'w', until: 1, state: long }],
] as const) {
  test(`a readyWhen that waits ${name} ends the execution instead of being stored`, async (t) => {
    const readyGate: ReadyGate = { check: () => [], uses: () => [], advance: async () => look };
    const bench = await openWorkbench({ steps: [toyStep(async () => done)], readyGate });
    t.after(bench.close);
    await bench.submit('one', {}, { readyWhen: { object: { kind: 'Pod', name: 'a' } } });
    await bench.settled();
    const status = (await bench.store.get({ namespace: 'default', id: 'one' }))?.status;
    assert.equal(status?.state, 'failed');
  });
}
