import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ExecutionStatus } from '../../src/core/execution.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { Problem } from '../../src/core/problem.ts';
import type { Outcome } from '../../src/core/step.ts';
import { type ExecutionStore, VersionConflict } from '../../src/core/store.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { effectStep, openWorkbench, toyStep } from './workbench.ts';

const one = { namespace: 'default', id: 'one' };

/** The store with one member replaced. */
function storeWith(store: ExecutionStore, changes: Partial<ExecutionStore>): ExecutionStore {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(name in changes ? changes : target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** An execution on this store whose step makes one write, which succeeds; `sends` tells how often it went out. */
async function submitOneWrite(t: TestContext, store: ExecutionStore) {
  let sends = 0;
  const send = async () => {
    sends += 1;
    return { run: 1 };
  };
  const bench = await openWorkbench({ store, steps: [effectStep(() => ({ repeat: 'find', request: {}, send }))] });
  t.after(bench.close);
  await bench.submit('one');
  return { bench, sends: () => sends };
}

test('a new engine on the same store goes on with what waits, at its time', async (t) => {
  const clock = new ManualClock();
  const store = await openSqliteStore({ path: ':memory:' });
  t.after(() => store.close());
  const step = toyStep(
    async ({ state, now }): Promise<Outcome> =>
      state === undefined
        ? { kind: 'waiting', message: 'first', until: now() + 60_000, state: 1 }
        : { kind: 'succeeded', outputs: { state } },
  );
  const before = await openWorkbench({ steps: [step], store, clock });
  await before.submit('one');
  await before.until('one', ({ status }) => status.message === 'first');
  await before.engine.close();
  const after = await openWorkbench({ steps: [step], store, clock });
  t.after(() => after.engine.close());
  await after.settled();
  assert.equal((await store.get(one))?.status.state, 'running');
  clock.advance(60_000);
  assert.deepEqual((await after.ended('one')).status.outputs, { state: 1 });
});

test('what was perhaps sent is looked for before anything else advances', async (t) => {
  const order: string[] = [];
  const clock = new ManualClock();
  const store = await openSqliteStore({ path: ':memory:' });
  t.after(() => store.close());
  const status: ExecutionStatus = {
    state: 'running',
    message: 'x',
    outputs: {},
    attempts: 0,
    effects: [],
    signals: [],
  };
  const effects = [{ name: 'write', repeat: 'find', request: {}, intentAt: clock.now() }] as const;
  for (const id of ['due-a', 'due-b', 'open']) {
    await store.create({
      namespace: 'default',
      id,
      request: { step: 'toy', with: {} },
      caller: 'me',
      createdAt: clock.now(),
      deadline: clock.now() + 60_000,
      status: id === 'open' ? { ...status, effects } : status,
    });
  }
  const bench = await openWorkbench({
    store,
    clock,
    steps: [
      toyStep(async ({ execution, effect }) => {
        order.push(execution.id);
        if (execution.id !== 'open') return { kind: 'succeeded', outputs: {} };
        const settled = await effect('write', {
          repeat: 'find',
          request: {},
          send: () => Promise.reject(new Error('sent again')),
          find: async () => ({ run: 1 }),
        });
        return 'done' in settled ? { kind: 'succeeded', outputs: settled.done } : settled.stop;
      }),
    ],
  });
  t.after(() => bench.engine.close());
  assert.deepEqual((await bench.ended('open')).status.outputs, { run: 1 });
  clock.advance(1_000);
  await bench.ended('due-a');
  await bench.ended('due-b');
  assert.equal(order[0], 'open');
});

test('closing waits for what is being sent and keeps its result; the next start does not send again', async (t) => {
  const clock = new ManualClock();
  const store = await openSqliteStore({ path: ':memory:' });
  t.after(() => store.close());
  const answer = Promise.withResolvers<JsonObject>();
  const sending = Promise.withResolvers<void>();
  let sends = 0;
  const step = toyStep(async ({ effect }) => {
    const settled = await effect('write', {
      repeat: 'find',
      request: {},
      send() {
        sends += 1;
        sending.resolve();
        return answer.promise;
      },
    });
    return 'done' in settled ? { kind: 'succeeded', outputs: settled.done } : settled.stop;
  });
  const before = await openWorkbench({ steps: [step], store, clock });
  await before.submit('one');
  await sending.promise;
  const closed = before.engine.close();
  answer.resolve({ run: 1 });
  await closed;
  const between = await store.get(one);
  assert.deepEqual(between?.status.effects[0]?.result, { run: 1 });
  const after = await openWorkbench({ steps: [step], store, clock });
  t.after(() => after.engine.close());
  clock.advance(1_000);
  await after.ended('one');
  assert.equal(sends, 1);
});

test('a result survives a store that fails for a while', async (t) => {
  const opened = await openSqliteStore({ path: ':memory:' });
  let failures = 0;
  const store = storeWith(opened, {
    update(key, version, status) {
      if (status.effects[0]?.result !== undefined && failures++ < 3) return Promise.reject(new Error('disk full'));
      return opened.update(key, version, status);
    },
  });
  const { bench, sends } = await submitOneWrite(t, store);
  for (let i = 0; i < 6; i++) {
    await bench.settled();
    bench.clock.advance(1_000);
  }
  assert.deepEqual((await bench.ended('one')).status.outputs, { run: 1 });
  assert.deepEqual([sends(), failures], [1, 4]);
});

test('nothing is sent when the intent cannot be stored', async (t) => {
  const opened = await openSqliteStore({ path: ':memory:' });
  let isBroken = true;
  const store = storeWith(opened, {
    update: (...write) => (isBroken ? Promise.reject(new Error('disk full')) : opened.update(...write)),
  });
  const { bench, sends } = await submitOneWrite(t, store);
  for (let i = 0; i < 5; i++) {
    await bench.settled();
    bench.clock.advance(1_000);
  }
  assert.equal(sends(), 0);
  isBroken = false;
  for (let i = 0; i < 10; i++) {
    await bench.settled();
    bench.clock.advance(5_000);
  }
  await bench.ended('one');
  assert.equal(sends(), 1);
});

test('a conflict with a cancel that came in between: the intent is given up, and nothing is sent', async (t) => {
  const opened = await openSqliteStore({ path: ':memory:' });
  let conflicts = 0;
  const store = storeWith(opened, {
    async update(key, version, status) {
      if (status.effects.length > 0 && conflicts++ === 0) {
        const stored = await opened.get(key);
        const stop = { reason: 'Cancelled', at: 0, message: 'cancelled by ann' } as const;
        if (stored !== undefined) await opened.update(key, version, { ...stored.status, stop });
        throw new VersionConflict(key);
      }
      return opened.update(key, version, status);
    },
  });
  let sends = 0;
  const bench = await openWorkbench({
    store,
    steps: [
      toyStep(async ({ effect, stop }) => {
        if (stop !== undefined) return { kind: 'failed', reason: stop.reason, message: stop.message };
        const send = async () => {
          sends += 1;
          return {};
        };
        const settled = await effect('write', { repeat: 'find', request: {}, send });
        return 'done' in settled ? { kind: 'succeeded', outputs: {} } : settled.stop;
      }),
    ],
  });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.message, sends], ['cancelled', 'cancelled by ann', 0]);
});

test('when the store does not take a new execution, the submission is refused and nothing runs', async (t) => {
  const opened = await openSqliteStore({ path: ':memory:' });
  const store = storeWith(opened, { create: () => Promise.reject(new Error('power is going')) });
  let advances = 0;
  const bench = await openWorkbench({
    store,
    steps: [
      toyStep(async () => {
        advances += 1;
        return { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  t.after(bench.close);
  const both = await Promise.allSettled([bench.submit('one'), bench.submit('one')]);
  assert.deepEqual(
    both.map((settled) => settled.status === 'rejected' && settled.reason instanceof Problem && settled.reason.code),
    ['unavailable', 'unavailable'],
  );
  await bench.settled();
  assert.equal(advances, 0);
});

test('closing while an intent is committed sends nothing, and the next start sends at once without a search', async (t) => {
  const clock = new ManualClock();
  const opened = await openSqliteStore({ path: ':memory:' });
  t.after(() => opened.close());
  let closed: Promise<void> | undefined;
  const store = storeWith(opened, {
    update(...write) {
      const updated = opened.update(...write);
      if (closed === undefined) closed = before.engine.close();
      return updated;
    },
  });
  let sends = 0;
  let looks = 0;
  const step = effectStep(() => ({
    repeat: 'find',
    request: {},
    async send() {
      sends += 1;
      return { run: 1 };
    },
    async find() {
      looks += 1;
      return 'unknown';
    },
  }));
  const before = await openWorkbench({ steps: [step], store, clock });
  await before.submit('one');
  await before.until('one', ({ status }) => status.effects.length > 0);
  await closed;
  assert.equal(sends, 0);
  const after = await openWorkbench({ steps: [step], store: opened, clock });
  t.after(() => after.engine.close());
  clock.advance(1_000);
  assert.equal((await after.ended('one')).status.state, 'succeeded');
  assert.deepEqual([sends, looks], [1, 1], 'the one look before a further send');
});

test('closing does not wait for a step that is only then begun', async () => {
  const opened = await openSqliteStore({ path: ':memory:' });
  const reading = Promise.withResolvers<void>();
  const isClosing = Promise.withResolvers<void>();
  const store = storeWith(opened, {
    async get(key) {
      if (key.id === 'one') {
        reading.resolve();
        await isClosing.promise;
      }
      return opened.get(key);
    },
  });
  const bench = await openWorkbench({ store, steps: [toyStep(() => new Promise(() => {}))] });
  await bench.submit('one');
  await reading.promise;
  const closed = bench.close();
  isClosing.resolve();
  await closed;
});

test('a source that cannot subscribe breaks neither the start nor an execution, and is asked again', async (t) => {
  const clock = new ManualClock();
  const store = await openSqliteStore({ path: ':memory:' });
  t.after(() => store.close());
  let isBroken = false;
  let isReady = false;
  const source = {
    prefix: 'bell',
    subscribe(_key: string, raise: () => void) {
      if (isBroken) throw new Error('no such cluster');
      if (isReady) raise();
      return () => {
        if (isBroken) throw new Error('not subscribed');
      };
    },
  };
  const step = toyStep(async () =>
    isReady ? { kind: 'succeeded', outputs: {} } : { kind: 'waiting', message: 'listening', signals: ['bell:a'] },
  );
  const before = await openWorkbench({ steps: [step], sources: [source], store, clock });
  await before.submit('one');
  await before.until('one', ({ status }) => status.message === 'listening');
  await before.settled();
  isBroken = true;
  await before.engine.close();

  const after = await openWorkbench({ steps: [step], sources: [source], store, clock });
  t.after(() => after.engine.close());
  isBroken = false;
  isReady = true;
  clock.advance(60_000);
  assert.equal((await after.ended('one')).status.state, 'succeeded');
});

test('what the store has recorded although it said no goes on when the caller asks again', async (t) => {
  const opened = await openSqliteStore({ path: ':memory:' });
  const lost = new Set(['create', 'update']);
  async function answered<T>(name: string, write: Promise<T>): Promise<T> {
    const answer = await write;
    if (lost.delete(name)) throw new Error('the connection was lost');
    return answer;
  }
  const store = storeWith(opened, {
    create: (execution) => answered('create', opened.create(execution)),
    update: (key, version, status) => {
      const updated = opened.update(key, version, status);
      return status.stop === undefined ? updated : answered('update', updated);
    },
  });
  const bench = await openWorkbench({
    store,
    steps: [
      toyStep(async ({ stop, now }) =>
        stop === undefined
          ? { kind: 'waiting', message: 'patient', until: now() + 60_000 }
          : { kind: 'failed', reason: stop.reason, message: stop.message },
      ),
    ],
  });
  t.after(bench.close);
  await assert.rejects(bench.submit('one'), Problem);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'patient');
  await assert.rejects(bench.engine.cancel(one, 'ann'), Problem);
  await bench.engine.cancel(one, 'ann');
  await bench.settled();
  assert.equal((await opened.get(one))?.status.state, 'cancelled');
});

test('closing waits for all lanes of bulk work, also when what one of them has done cannot be stored', async (t) => {
  const opened = await openSqliteStore({ path: ':memory:' });
  t.after(() => opened.close());
  let isBroken = false;
  const store = storeWith(opened, {
    update: (...write) => (isBroken ? Promise.reject(new Error('disk full')) : opened.update(...write)),
  });
  const answers = [Promise.withResolvers<object>(), Promise.withResolvers<object>()];
  const bench = await openWorkbench({
    store,
    steps: [
      toyStep(async ({ progress }) => {
        const items = { count: 4, digest: '', batchSize: 1, concurrency: 2 };
        const settled = await progress('purge', items, async ({ start }) => (await answers[start]?.promise) ?? {});
        return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
      }),
    ],
  });
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.effects.length > 0);
  await bench.settled();
  isBroken = true;
  bench.clock.advance(2_000);
  answers[0]?.resolve({});
  await bench.settled();
  let isClosed = false;
  const closed = bench.engine.close().then(() => {
    isClosed = true;
  });
  await bench.settled();
  assert.equal(isClosed, false, 'one lane still sends');
  answers[1]?.resolve({});
  await closed;
});
