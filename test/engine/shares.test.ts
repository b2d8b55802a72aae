import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { NotSent } from '../../src/core/effect.ts';
import type { Execution, ExecutionStatus } from '../../src/core/execution.ts';
import { type Held, type Holding, sendingAs } from '../../src/core/holding.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import { Problem } from '../../src/core/problem.ts';
import type { SignalSource } from '../../src/core/signal.ts';
import type { Step } from '../../src/core/step.ts';
import { ExecutionMissing, type ExecutionStore, ExecutionTooLarge } from '../../src/core/store.ts';
import type { EpochMs } from '../../src/core/time.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { proven, ScriptedOrigins, unproven } from './scripted-origins.ts';
import { effectStep, openWorkbench, toyStep } from './workbench.ts';

const someday = 9_999_999_999_999;
const key = { namespace: 'default', id: 'one' };

/** A process that holds what the test says. */
class ScriptedHolding implements Holding {
  holder: string | undefined;
  readonly dead = new Set<string>();
  readonly #watchers = new Set<() => void>();
  /** Of what is not its own: since when it is, if so. */
  claims: (held: Held) => EpochMs | undefined = ({ holder }) => (holder === undefined ? 0 : undefined);

  constructor(holder: string | undefined) {
    this.holder = holder;
  }

  isAlive(holder: string): boolean {
    return this.holder === holder && !this.dead.has(holder);
  }

  claim(held: Held): EpochMs | undefined {
    if (this.holder === undefined) return undefined;
    return held.holder === this.holder ? 0 : this.claims(held);
  }

  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  change(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

async function standing(store: ExecutionStore): Promise<Execution> {
  const execution = await store.get(key);
  assert.ok(execution);
  return execution;
}

/** As another process would write it. */
async function overwrite(store: ExecutionStore, change: (status: ExecutionStatus) => ExecutionStatus): Promise<void> {
  const execution = await standing(store);
  await store.update(execution, execution.version, change(execution.status));
}

test('what is not its own to advance is recorded and answered, and not advanced', async (t) => {
  const holding = new ScriptedHolding('a');
  holding.claims = () => undefined;
  const bench = await openWorkbench({ steps: [toyStep(async () => ({ kind: 'succeeded', outputs: {} }))], holding });
  t.after(bench.close);
  assert.equal((await bench.submit('one')).created, true);
  bench.clock.advance(60_000);
  await bench.settled();
  assert.equal((await standing(bench.store)).status.state, 'pending');

  holding.claims = () => 0;
  holding.change();
  await bench.settled();
  // What is overdue is spread a little.
  bench.clock.advance(1_000);
  assert.equal((await bench.ended('one')).status.holder, 'a');
});

test('one that was recorded by another process is advanced by whose it is', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const [mine, theirs] = [new ScriptedHolding('a'), new ScriptedHolding('b')];
  mine.claims = () => undefined;
  const step = toyStep(async () => ({ kind: 'succeeded', outputs: {} }));
  const first = await openWorkbench({ steps: [step], holding: mine, store });
  const second = await openWorkbench({ steps: [step], holding: theirs, store });
  t.after(async () => {
    await second.engine.close();
    await first.close();
  });
  await first.submit('one');
  assert.equal((await second.ended('one')).status.holder, 'b');
});

test('a time to come is waited for', async (t) => {
  const holding = new ScriptedHolding('a');
  const bench = await openWorkbench({ steps: [toyStep(async () => ({ kind: 'succeeded', outputs: {} }))], holding });
  t.after(bench.close);
  const since = bench.clock.now() + 120_000;
  holding.claims = () => since;
  await bench.submit('one');
  bench.clock.advance(119_999);
  await bench.settled();
  assert.equal((await standing(bench.store)).status.state, 'pending');
  bench.clock.advance(1);
  await bench.ended('one');
});

test('a stop that another process stores wakes the holder', async (t) => {
  const holding = new ScriptedHolding('a');
  const step = toyStep(async ({ stop }) =>
    stop === undefined
      ? { kind: 'waiting', message: 'for a long time', until: someday }
      : { kind: 'failed', reason: stop.reason, message: stop.message },
  );
  const bench = await openWorkbench({ steps: [step], holding });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'for a long time');
  const stop = { reason: 'Cancelled', at: bench.clock.now(), message: 'by another replica' } as const;
  await overwrite(bench.store, (status) => ({ ...status, stop }));
  assert.equal((await bench.ended('one')).status.message, 'by another replica');
});

/** Waits for what the test raises, and counts its looks. */
function watchingStep(looks: string[], onLook = async () => {}) {
  return toyStep(async ({ execution: { id } }) => {
    looks.push(id);
    await onLook();
    return { kind: 'waiting', message: 'watching', signals: ['runs:7'], until: someday };
  });
}

/** Raises nobody by itself. */
class ScriptedSource implements SignalSource {
  readonly prefix = 'runs';
  readonly woken: string[] = [];
  readonly #raises = new Set<() => void>();

  subscribe(_key: string, raise: () => void): () => void {
    this.#raises.add(raise);
    return () => this.#raises.delete(raise);
  }

  wake(key: string): void {
    this.woken.push(key);
    for (const raise of this.#raises) raise();
  }
}

/** As a store in a cluster can tell it. */
async function storeOfMany(): Promise<ExecutionStore> {
  const store = await openSqliteStore({ path: ':memory:' });
  return Object.assign(store, {
    async waitingFor(signal: string) {
      const { items } = await store.list({}, { limit: 100 });
      return items.filter(({ status }) => status.signals.includes(signal));
    },
  });
}

/** One process that waits for runs:7, and another that hears of it. */
async function holderAndHearer(t: TestContext, step: Step) {
  const store = await storeOfMany();
  const [mine, theirs] = [new ScriptedHolding('a'), new ScriptedHolding('b')];
  theirs.claims = () => undefined;
  const sources = [new ScriptedSource(), new ScriptedSource()] as const;
  const holder = await openWorkbench({ steps: [step], holding: mine, store, sources: [sources[0]] });
  const hearer = await openWorkbench({ steps: [step], holding: theirs, store, sources: [sources[1]] });
  t.after(async () => {
    await hearer.engine.close();
    await holder.close();
  });
  await holder.submit('one');
  await holder.until('one', ({ status }) => status.message === 'watching');
  await holder.settled();
  return { store, sources, holder, hearer };
}

test('a signal that another process hears of wakes the holder, who takes it away', async (t) => {
  const looks: string[] = [];
  const { store, sources, holder, hearer } = await holderAndHearer(t, watchingStep(looks));
  const { version } = await standing(store);
  await hearer.engine.wake(['runs:7', 'runs:8', 'others:1']);
  await holder.settled();
  const { status, version: after } = await standing(store);
  assert.equal(looks.length, 2);
  assert.deepEqual([status.signal, status.holder, status.message], [undefined, 'a', 'watching']);
  assert.equal(after, version + 2, 'one write for each of the two');
  assert.deepEqual(sources[0].woken, ['7'], 'its own watch learns that somebody tells');
});

test('a signal that comes while the holder looks makes it look once more', async (t) => {
  const looks: string[] = [];
  let onLook = async () => {};
  const { store, holder, hearer } = await holderAndHearer(
    t,
    watchingStep(looks, () => onLook()),
  );
  onLook = async () => {
    onLook = async () => {};
    await hearer.engine.wake(['runs:7']);
  };
  await hearer.engine.wake(['runs:7']);
  await holder.settled();
  assert.equal(looks.length, 3);
  assert.equal((await standing(store)).status.signal, undefined);
});

test('a signal is not stored for one that does not wait for it any more', async (t) => {
  const { store, hearer } = await holderAndHearer(t, watchingStep([]));
  const { update } = store;
  store.update = async (...args) => {
    store.update = update;
    // It goes on in between.
    await overwrite(store, (status) => ({ ...status, signals: [] }));
    return await store.update(...args);
  };
  const { version } = await standing(store);
  await hearer.engine.wake(['runs:7']);
  assert.equal((await standing(store)).version, version + 1);
});

test('a signal of what a process holds itself is not stored', async (t) => {
  const looks: string[] = [];
  const { store, holder } = await holderAndHearer(t, watchingStep(looks));
  const { version } = await standing(store);
  await holder.engine.wake(['runs:7']);
  await holder.settled();
  assert.deepEqual([looks.length, (await standing(store)).version], [2, version]);
});

test('a signal that cannot be stored is said so, for its sender to send it again', async (t) => {
  const { store, hearer } = await holderAndHearer(t, watchingStep([]));
  store.update = async () => {
    throw new Error('the disk is full');
  };
  const isUnavailable = (error: unknown) => error instanceof Problem && error.code === 'unavailable';
  await assert.rejects(hearer.engine.wake(['runs:7']), isUnavailable);
});

test('a signal that is stored while another takes over keeps it from nothing', async (t) => {
  const holding = new ScriptedHolding('b');
  holding.claims = () => 0;
  let advances = 0;
  const step = toyStep(async () => {
    advances += 1;
    if (advances === 1) await overwrite(bench.store, (status) => ({ ...status, signal: 'runs:7' }));
    return { kind: 'succeeded', outputs: {} };
  });
  const bench = await openWorkbench({ steps: [step], holding, store: await storeWithHolder('a') });
  t.after(bench.close);
  bench.clock.advance(1_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.holder, status.signal, advances], ['succeeded', 'b', undefined, 1]);
});

test('one that another process has begun with since it was read is lost to this one before it sends', async (t) => {
  const sent: string[] = [];
  const holding = new ScriptedHolding('a');
  const step = effectStep(() => ({
    repeat: 'find',
    request: {},
    async prepare() {
      await overwrite(bench.store, (status) => ({ ...status, state: 'running', holder: 'b' }));
      return null;
    },
    async send() {
      sent.push('a');
      return {};
    },
  }));
  const bench = await openWorkbench({ steps: [step], holding });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.holder === 'b');
  await bench.settled();
  assert.deepEqual(sent, []);
  assert.equal((await standing(bench.store)).status.holder, 'b');
});

test('the last write of one who died, which comes after the look of who takes over, is not written over', async (t) => {
  const sent: string[] = [];
  let looks = 0;
  const holding = new ScriptedHolding('b');
  holding.claims = () => 0;
  const late = {
    name: 'write',
    repeat: 'find',
    request: {},
    intentAt: 1,
  } as const;
  const step = effectStep(() => ({
    repeat: 'find',
    request: {},
    async prepare() {
      // The intent of the dead one lands only now, in its own name.
      await overwrite(bench.store, (status) => ({ ...status, holder: 'a', effects: [late] }));
      return null;
    },
    async send() {
      sent.push('b');
      return {};
    },
    async find() {
      looks += 1;
      return { found: true };
    },
  }));
  const bench = await openWorkbench({ steps: [step], holding, store: await storeWithHolder('a') });
  t.after(bench.close);
  bench.clock.advance(1_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([sent, looks, status.outputs, status.holder], [[], 1, { found: true }, 'b']);
});

test('what was begun in the name of a lapsed lease is dropped, and sends nothing', async (t) => {
  const sent: (string | undefined)[] = [];
  const holding = new ScriptedHolding('a');
  const step = effectStep(() => ({
    repeat: 'find',
    request: {},
    async send() {
      sent.push(sendingAs.getStore());
      return {};
    },
    find: async () => 'absent' as const,
  }));
  const store = await openSqliteStore({ path: ':memory:' });
  const update = store.update.bind(store);
  store.update = async (...args) => {
    const stored = await update(...args);
    // The lease lapses between the commit of the intent and the send.
    if (args[2].effects.length > 0 && args[2].holder === 'a') holding.dead.add('a');
    return stored;
  };
  const bench = await openWorkbench({ steps: [step], holding, store });
  t.after(bench.close);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.effects.length > 0);
  holding.holder = undefined;
  await bench.settled();
  assert.deepEqual(sent, []);
  assert.equal((await standing(store)).status.state, 'running');

  holding.holder = 'a2';
  holding.claims = () => 0;
  holding.change();
  const { status } = await bench.ended('one');
  assert.deepEqual([sent, status.holder], [['a2'], 'a2']);
});

test('a send goes in the name of its intent, however late it comes to its first byte', async (t) => {
  const names: (string | undefined)[] = [];
  const holding = new ScriptedHolding('a');
  const step = effectStep(() => ({
    repeat: 'find',
    request: {},
    async send() {
      await bench.settled();
      holding.holder = 'a2';
      holding.dead.add('a');
      names.push(sendingAs.getStore());
      throw new NotSent('not sent: the lease of this process has lapsed');
    },
    find: async () => 'unknown' as const,
    graceMs: 60_000,
  }));
  const bench = await openWorkbench({ steps: [step], holding });
  t.after(bench.close);
  await bench.submit('one');
  await bench.settled();
  await bench.settled();
  assert.deepEqual(names, ['a']);
  const { effects, holder } = (await standing(bench.store)).status;
  // That it was not sent is known to the old name alone, and nothing is written in that any more.
  assert.deepEqual([effects[0]?.notSentAt, holder], [undefined, 'a']);
});

test('one whose record was deleted is stopped, undone, and ends in memory', async (t) => {
  const undone: unknown[] = [];
  const holding = new ScriptedHolding('a');
  const step = toyStep(async (context) => {
    const run = await context.effect('run', { repeat: 'safe', request: {}, send: async () => ({ runId: 7 }) });
    if ('stop' in run) return run.stop;
    if (context.stop === undefined) return { kind: 'waiting', message: 'the run is going', until: someday };
    const undo = await context.effect('undo', {
      repeat: 'safe',
      request: {},
      async send() {
        undone.push(context.stop?.message);
        return {};
      },
    });
    return 'stop' in undo ? undo.stop : { kind: 'failed', reason: context.stop.reason, message: 'undone' };
  });
  const bench = await openWorkbench({ steps: [step], holding });
  t.after(bench.close);
  await bench.submit('one');
  const going = await bench.until('one', ({ status }) => status.message === 'the run is going');
  await bench.store.delete(key, going.version);
  for (let i = 0; i < 5; i++) await bench.settled();
  assert.deepEqual(undone, ['its record was deleted']);
  assert.equal(await bench.store.get(key), undefined);

  // The id is free, also while the other was on its way to its end.
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'the run is going');
});

test('one that is asked for anew while the deleted one is on its way to its end comes after it', async (t) => {
  let stops = 0;
  const step = toyStep(async (context) => {
    const run = await context.effect('run', { repeat: 'safe', request: {}, send: async () => ({}) });
    if ('stop' in run) return run.stop;
    if (context.stop === undefined) return { kind: 'waiting', message: 'the run is going', until: someday };
    if (stops++ === 0) await bench.submit('one');
    return { kind: 'failed', reason: context.stop.reason, message: 'stopped' };
  });
  const bench = await openWorkbench({ steps: [step], holding: new ScriptedHolding('a') });
  t.after(bench.close);
  await bench.submit('one');
  const going = await bench.until('one', ({ status }) => status.message === 'the run is going');
  await bench.store.delete(key, going.version);
  const anew = await bench.until('one', ({ status }) => status.message === 'the run is going');
  assert.deepEqual([stops, anew.status.stop], [1, undefined]);
});

test('one whose record is deleted between its intent and its result is undone as well', async (t) => {
  const calls: string[] = [];
  const step = toyStep(async (context) => {
    const run = await context.effect('run', {
      repeat: 'safe',
      request: {},
      async send() {
        calls.push('run');
        const { version } = await standing(bench.store);
        await bench.store.delete(key, version);
        return {};
      },
    });
    if ('stop' in run) return run.stop;
    if (context.stop === undefined) return { kind: 'waiting', message: 'the run is going', until: someday };
    calls.push('undo');
    return { kind: 'failed', reason: context.stop.reason, message: 'undone' };
  });
  const bench = await openWorkbench({ steps: [step], holding: new ScriptedHolding('a') });
  t.after(bench.close);
  await bench.submit('one');
  for (let i = 0; i < 5; i++) await bench.settled();
  assert.deepEqual(calls, ['run', 'undo']);
});

test('one that was deleted before it sent anything is just gone', async (t) => {
  const holding = new ScriptedHolding('a');
  const bench = await openWorkbench({
    steps: [toyStep(async () => ({ kind: 'waiting', message: 'w', until: someday }))],
    holding,
  });
  t.after(bench.close);
  await bench.submit('one');
  const waiting = await bench.until('one', ({ status }) => status.message === 'w');
  await bench.store.delete(key, waiting.version);
  await bench.settled();
  await assert.rejects(bench.engine.cancel(key, 'tester'), /there is no execution/);
  await bench.submit('one');
  await bench.until('one', ({ status }) => status.message === 'w');
});

test('what was put into a shared store past the API is held to the same checks', async (t) => {
  const advanced: JsonObject[] = [];
  const step = toyStep(
    async (_context, params) => {
      advanced.push(params);
      return { kind: 'succeeded', outputs: {} };
    },
    { check: () => [{ path: '/tags', message: 'expected a list' }] },
  );
  const store = await storeWithHolder(undefined);
  const bench = await openWorkbench({ steps: [step], holding: new ScriptedHolding('a'), store });
  t.after(bench.close);
  bench.clock.advance(1_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, status.message, advanced], ['Denied', '/with/tags expected a list', []]);
});

test('a status that its store does not take ends the execution, and says which limit it was', async (t) => {
  const step = toyStep(async () => ({ kind: 'succeeded', outputs: { all: 'x'.repeat(5_000) } }));
  const bench = await openWorkbench({ steps: [step], store: await storeOf(4_000) });
  t.after(bench.close);
  await bench.submit('one');
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.reason, status.message], ['failed', 'TooLarge', 'at most 4000 bytes']);
});

test('an intent that its store does not take is not sent', async (t) => {
  const sent: string[] = [];
  const step = effectStep(() => ({
    repeat: 'safe',
    request: { all: 'x'.repeat(5_000) },
    async send() {
      sent.push('it');
      return {};
    },
  }));
  const bench = await openWorkbench({ steps: [step], store: await storeOf(4_000) });
  t.after(bench.close);
  await bench.submit('one');
  assert.deepEqual([(await bench.ended('one')).status.reason, sent], ['TooLarge', []]);
});

test('a request that its store does not take is refused with the limit', async (t) => {
  const bench = await openWorkbench({
    steps: [toyStep(async () => ({ kind: 'succeeded', outputs: {} }))],
    store: await storeOf(10),
  });
  t.after(bench.close);
  await assert.rejects(bench.submit('one'), { code: 'body-too-large', message: 'at most 10 bytes' });
});

test('who deletes a record that another process is about to write makes that one drop it', async (t) => {
  const holding = new ScriptedHolding('a');
  const store = await openSqliteStore({ path: ':memory:' });
  const update = store.update.bind(store);
  let refusals = 0;
  store.update = async (target, ...rest) => {
    if (refusals++ > 0) return update(target, ...rest);
    await store.delete(target, 1);
    throw new ExecutionMissing(target);
  };
  const bench = await openWorkbench({
    steps: [toyStep(async () => ({ kind: 'waiting', message: 'w', until: someday }))],
    holding,
    store,
  });
  t.after(bench.close);
  await bench.submit('one');
  await bench.settled();
  assert.equal(await store.get(key), undefined);
});

/** With one that the process of that name has begun with; undefined: nobody has. */
async function storeWithHolder(holder: string | undefined): Promise<ExecutionStore> {
  const store = await openSqliteStore({ path: ':memory:' });
  const other = new ScriptedHolding(holder ?? 'nobody');
  other.claims = () => (holder === undefined ? undefined : 0);
  const bench = await openWorkbench({
    steps: [toyStep(async () => ({ kind: 'waiting', message: 'begun', until: 1 }))],
    holding: other,
    store,
  });
  await bench.submit('one');
  if (holder !== undefined) await bench.until('one', ({ status }) => status.message === 'begun');
  await bench.engine.close();
  return store;
}

/** Takes so many bytes of status, and of a request as many. */
async function storeOf(mostBytes: number): Promise<ExecutionStore> {
  const store = await openSqliteStore({ path: ':memory:' });
  const [create, update] = [store.create.bind(store), store.update.bind(store)];
  const assertFits = (value: unknown) => {
    if (JSON.stringify(value).length > mostBytes) throw new ExecutionTooLarge(`at most ${mostBytes} bytes`);
  };
  store.create = async (execution) => {
    assertFits(execution.request);
    return await create(execution);
  };
  store.update = async (target, version, status) => {
    assertFits(status);
    return await update(target, version, status);
  };
  return store;
}

test('what is not proven counts wherever it was made, and no more once another process has proven it', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const [mine, theirs] = [new ScriptedHolding('a'), new ScriptedHolding('b')];
  mine.claims = () => undefined;
  const origins = new ScriptedOrigins();
  origins.script('*', { proof: unproven });
  const steps = [toyStep(async () => ({ kind: 'succeeded', outputs: {} }))];
  const first = await openWorkbench({ steps, holding: mine, store, origins });
  const second = await openWorkbench({ steps, holding: theirs, store, origins });
  t.after(async () => {
    await second.engine.close();
    await first.close();
  });
  const submit = (bench: typeof first, id: string) =>
    bench.submit(
      id,
      {},
      { origin: { kind: 'Application', namespace: 'default', name: 'a', step: 's', sessionID: id } },
    );
  for (let i = 0; i < limits.unprovenPerNamespace; i++) await submit(i % 2 === 0 ? first : second, `e${i}`);
  const isFull = (error: unknown) => error instanceof Problem && error.code === 'too-many-executions';
  await assert.rejects(submit(first, 'more'), isFull);
  await assert.rejects(submit(second, 'more'), isFull);
  await second.settled();
  origins.script('e0', { proof: proven });
  await second.ended('e0');
  assert.equal((await submit(first, 'more')).created, true);
});

test('one that another process makes anew while it is being forgotten has its turn', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const [mine, theirs] = [new ScriptedHolding('a'), new ScriptedHolding('b')];
  theirs.claims = () => undefined;
  const origins = new ScriptedOrigins();
  origins.script('*', { proof: unproven });
  const steps = [toyStep(async () => ({ kind: 'succeeded', outputs: {} }))];
  const first = await openWorkbench({ steps, holding: mine, store, origins });
  const second = await openWorkbench({ steps, holding: theirs, store, origins, clock: first.clock });
  t.after(async () => {
    await second.engine.close();
    await first.close();
  });
  const origin = { kind: 'Application', namespace: 'default', name: 'a', step: 's', sessionID: 'one' };
  await first.submit('one', {}, { origin });
  await first.settled();
  // Contested: a first stop of this id, which goes with its record.
  await second.submit('one', { a: 2 }, { origin });
  await first.settled();
  const { delete: remove } = store;
  store.delete = async (...args) => {
    await remove.apply(store, args);
    assert.equal((await second.submit('one', {}, { origin })).created, true);
  };
  first.clock.advance(limits.unprovenMs);
  await first.settled();
  assert.equal((await standing(store)).status.stop, undefined);
  await second.engine.cancel(key, 'tester');
  assert.equal((await first.ended('one')).status.state, 'cancelled');
});
