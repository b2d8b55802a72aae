import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Effect, NotSent } from '../../src/core/effect.ts';
import { type ExecutionRequest, initialStatus } from '../../src/core/execution.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import { Problem } from '../../src/core/problem.ts';
import type { Step, StepContext } from '../../src/core/step.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { proven, ScriptedOrigins, unproven } from './scripted-origins.ts';
import { effectStep, openWorkbench, toyStep } from './workbench.ts';

const gone = { reason: 'OriginGone', message: 'Application default/shop was deleted' } as const;
const superseded = { reason: 'Superseded', message: 'Application default/shop has another session' } as const;

function originOf(sessionID: string, more = {}) {
  return { origin: { kind: 'Application', namespace: 'default', name: 'shop', step: 'smoke', sessionID, ...more } };
}

/** Carries one effect through, unless it is to stop. */
function sendingStep(effect: (context: StepContext) => Effect<JsonObject, JsonObject>): Step {
  const sending = effectStep(effect);
  return toyStep(async (context, params) =>
    context.stop === undefined
      ? await sending.advance(context, params)
      : { kind: 'failed', reason: context.stop.reason, message: context.stop.message },
  );
}

/** An engine whose step sends one effect, and what was sent. */
async function openSending(options: { store?: ExecutionStore; origins?: ScriptedOrigins } = {}) {
  const sent: string[] = [];
  const { origins = new ScriptedOrigins() } = options;
  const step = sendingStep(({ execution }) => ({
    repeat: 'safe',
    request: {},
    send: async () => {
      sent.push(execution.id);
      return {};
    },
  }));
  const bench = await openWorkbench({ steps: [step], ...options, origins });
  return { ...bench, origins, sent };
}

test('nothing is sent before the origin is proven; what tells of the origin wakes it', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', {}, originOf('one'));
  await bench.settled();
  const waiting = await bench.store.get({ namespace: 'default', id: 'one' });
  assert.deepEqual(
    [waiting?.status.state, waiting?.status.message],
    ['pending', unproven.kind === 'unproven' && unproven.message],
  );
  assert.deepEqual(sent, []);
  origins.script('one', { proof: proven });
  const { status } = await bench.ended('one');
  assert.equal(status.state, 'succeeded');
  assert.deepEqual(sent, ['one']);
  assert.deepEqual(status.proof, { uid: 'uid', declared: 'declared', provenAt: 1 });
  assert.equal(status.originStep, 'Application/uid/smoke');
});

test('what cannot be proven for 30 s is forgotten: the record is gone, and the next request starts anew', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', {}, originOf('one'));
  await bench.settled();
  bench.clock.advance(limits.unprovenMs - 1);
  await bench.settled();
  assert.notEqual(await bench.store.get({ namespace: 'default', id: 'one' }), undefined);
  bench.clock.advance(1);
  await bench.settled();
  assert.equal(await bench.store.get({ namespace: 'default', id: 'one' }), undefined);
  assert.equal(origins.followers('one'), 0);
  assert.deepEqual(sent, []);

  const again = await bench.submit('one', {}, originOf('one'));
  assert.equal(again.created, true);
  origins.script('one', { proof: proven });
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

test('a cluster that cannot be asked is no absence of proof: nothing is forgotten, and nothing is sent', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: new NotSent('the cluster cannot be reached') });
  await bench.submit('one', {}, originOf('one'));
  for (let i = 0; i < 40; i++) {
    bench.clock.advance(1_000);
    await bench.settled();
  }
  assert.equal((await bench.store.get({ namespace: 'default', id: 'one' }))?.status.state, 'pending');
  assert.deepEqual(sent, []);
  origins.script('one', { proof: proven });
  bench.clock.advance(60_000);
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

test('a request that its origin contradicts is denied with what differs', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: { kind: 'denied', message: '/with/repository is acme/shop in the workflow' } });
  await bench.submit('one', {}, originOf('one'));
  const { status } = await bench.ended('one');
  assert.deepEqual(
    [status.state, status.reason, status.message],
    ['failed', 'Denied', '/with/repository is acme/shop in the workflow'],
  );
  assert.deepEqual(sent, []);
});

test('differing requests for one id before its proof deny it; after the proof the first one wins', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', { a: 1 }, originOf('one'));
  await bench.settled();
  const second = await bench.submit('one', { a: 2 }, originOf('one'));
  assert.deepEqual([second.created, second.execution.request.with], [false, { a: 1 }]);
  await bench.settled();
  origins.script('one', { proof: proven });
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, sent], ['Denied', []]);
  assert.match(status.message, /contested/);

  await bench.submit('two', { a: 1 }, originOf('two'));
  await bench.ended('two');
  const late = await bench.submit('two', { a: 2 }, originOf('two'));
  assert.deepEqual([late.execution.request.with, late.execution.status.state], [{ a: 1 }, 'succeeded']);
});

test('an id that is contested and never proven is forgotten too: nobody can fill the store with such', async (t) => {
  const { origins, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', { a: 1 }, originOf('one'));
  await bench.submit('one', { a: 2 }, originOf('one'));
  await bench.settled();
  bench.clock.advance(limits.unprovenMs);
  await bench.settled();
  assert.equal(await bench.store.get({ namespace: 'default', id: 'one' }), undefined);
});

test('unproven executions are bounded per namespace, and make room when they go', async (t) => {
  const { origins, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('*', { proof: unproven });
  const submit = (id: string) => bench.submit(id, {}, originOf(id));
  for (let i = 0; i < limits.unprovenPerNamespace; i++) await submit(`e${i}`);
  await assert.rejects(submit('more'), (error) => error instanceof Problem && error.code === 'too-many-executions');
  // One that stands there is answered all the same.
  assert.equal((await submit('e0')).created, false);
  origins.script('e0', { proof: proven });
  await bench.ended('e0');
  assert.equal((await submit('more')).created, true);
});

test('an origin that does not exist is refused before anything is recorded', async (t) => {
  const { origins, ...bench } = await openSending();
  t.after(bench.close);
  origins.missing = new Problem('origin-missing', 'there is no Application default/shop');
  await assert.rejects(bench.submit('one', {}, originOf('one')), (error) => error === origins.missing);
  assert.equal(await bench.store.get({ namespace: 'default', id: 'one' }), undefined);
});

test('what is proven is proven of one session: another id or namespace is refused', async (t) => {
  const bench = await openSending();
  t.after(bench.close);
  for (const origin of [originOf('other'), originOf('one', { namespace: 'elsewhere' })]) {
    await assert.rejects(
      bench.submit('one', {}, origin),
      (error) => error instanceof Problem && error.code === 'invalid-parameters',
    );
  }
});

test('right before an intent the origin is read live: what has ended sends nothing', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { end: superseded });
  await bench.submit('one', {}, originOf('one'));
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.reason, status.message], ['cancelled', 'Superseded', superseded.message]);
  assert.deepEqual([sent, status.effects], [[], []]);
});

test('where the origin cannot be read before an intent, the intent waits', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { end: new NotSent('the cluster cannot be reached') });
  await bench.submit('one', {}, originOf('one'));
  await bench.until('one', ({ status }) => status.message === 'the cluster cannot be reached');
  assert.deepEqual(sent, []);
  origins.script('one', { end: undefined });
  bench.clock.advance(60_000);
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
  assert.deepEqual(sent, ['one']);
});

test('a superseded execution that waits for a rate limit never sends after its successor', async (t) => {
  const sends: string[] = [];
  const origins = new ScriptedOrigins();
  const step = sendingStep(({ execution }) => ({
    repeat: 'find',
    request: {},
    find: async () => 'absent',
    send: async () => {
      if (execution.id === 'old') throw new NotSent('rate limit');
      sends.push(execution.id);
      return {};
    },
  }));
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  await bench.submit('old', {}, originOf('old'));
  await bench.until('old', ({ status }) => status.message === 'rate limit');
  bench.clock.advance(1_000);
  await bench.submit('new', {}, originOf('new'));
  const [old, fresh] = await Promise.all([bench.ended('old'), bench.ended('new')]);
  assert.deepEqual([old.status.reason, fresh.status.state], ['Superseded', 'succeeded']);
  bench.clock.advance(3_000_000);
  await bench.settled();
  assert.deepEqual(sends, ['new']);
});

test('what the watch shows ends an execution that waits, and the step is told which stop it is', async (t) => {
  const origins = new ScriptedOrigins();
  const step = toyStep(async ({ stop }) =>
    stop === undefined
      ? { kind: 'waiting', message: 'the run is going', until: 9_999_999_999_999 }
      : { kind: 'failed', reason: stop.reason, message: stop.message, outputs: { told: stop.reason } },
  );
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  for (const end of [gone, superseded, { reason: 'OriginTimedOut', message: 'its 10m are over' } as const]) {
    const id = end.reason.toLowerCase();
    await bench.submit(id, {}, originOf(id));
    await bench.until(id, ({ status }) => status.message === 'the run is going');
    origins.script(id, { seen: end });
    const { status } = await bench.ended(id);
    assert.deepEqual([status.reason, status.message, status.outputs], [end.reason, end.message, { told: end.reason }]);
    await bench.settled();
    assert.equal(origins.followers(id), 0);
  }
});

test('a newer execution of an origin step stops the older one and begins only after its end', async (t) => {
  const log: string[] = [];
  const { promise: sending, resolve: began } = Promise.withResolvers<void>();
  const { promise: answer, resolve: answerNow } = Promise.withResolvers<void>();
  const origins = new ScriptedOrigins();
  const step = sendingStep(({ execution }) => ({
    repeat: 'safe',
    request: {},
    send: async () => {
      log.push(`${execution.id} sends`);
      if (execution.id !== 'old') return {};
      began();
      await answer;
      log.push('old is answered');
      return {};
    },
  }));
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  await bench.submit('old', {}, originOf('old'));
  await sending;
  bench.clock.advance(1_000);
  await bench.submit('new', {}, originOf('new'));
  const waiting = await bench.until('new', ({ status }) => status.message.startsWith('waiting for the end'));
  assert.equal(waiting.status.message, 'waiting for the end of old, which this takes the place of');
  await bench.settled();
  assert.deepEqual(log, ['old sends']);
  answerNow();
  const [old, fresh] = await Promise.all([bench.ended('old'), bench.ended('new')]);
  // What ended before the stop was stored would be told truly; this one was answered after it.
  assert.equal(fresh.status.state, 'succeeded');
  assert.ok((old.status.finishedAt ?? 0) <= (fresh.status.turnAt ?? 0));
  assert.deepEqual(log, ['old sends', 'old is answered', 'new sends']);
});

test('of two that begin at once the one acts whose session stands', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('a', { end: superseded });
  await Promise.all([bench.submit('b', {}, originOf('b')), bench.submit('a', {}, originOf('a'))]);
  const [a, b] = await Promise.all([bench.ended('a'), bench.ended('b')]);
  assert.deepEqual([a.status.reason, b.status.state, sent], ['Superseded', 'succeeded', ['b']]);
});

test('one whose session stands takes the place of the one before it, though that was recorded by a clock that is ahead', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  bench.clock.advance(5_000);
  origins.script('before', { end: new NotSent('not now') });
  await bench.submit('before', {}, originOf('before'));
  await bench.until('before', ({ status }) => status.message === 'not now');
  const before = await bench.store.get({ namespace: 'default', id: 'before' });
  assert.ok(before);
  const { namespace, request, caller, deadline } = before;
  const key = { namespace, id: 'after', caller, deadline, createdAt: before.createdAt - 3_000 };
  await bench.store.create({
    ...key,
    request: { ...request, ...originOf('after') } as ExecutionRequest,
    status: initialStatus(0, undefined),
  });
  await bench.submit('after', {}, originOf('after'));
  const [old, fresh] = await Promise.all([bench.ended('before'), bench.ended('after')]);
  assert.deepEqual([old.status.reason, fresh.status.state, sent], ['Superseded', 'succeeded', ['after']]);
});

test('an older one that is proven late gives way to the newer one that acts', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('old', { proof: unproven });
  await bench.submit('old', {}, originOf('old'));
  await bench.settled();
  bench.clock.advance(1_000);
  origins.script('new', { end: new NotSent('not now') });
  await bench.submit('new', {}, originOf('new'));
  await bench.until('new', ({ status }) => status.message === 'not now');
  origins.script('old', { proof: proven, end: superseded });
  assert.equal((await bench.ended('old')).status.reason, 'Superseded');
  origins.script('new', { end: undefined });
  bench.clock.advance(60_000);
  await bench.ended('new');
  assert.deepEqual(sent, ['new']);
});

test('two runs of one Workflow do not stop each other', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  for (const id of ['one', 'two']) {
    const proof = { uid: id, declared: 'declared', provenAt: 1 };
    const isProven = { kind: 'proven', proof, originStep: 'Workflow/default/deploy/smoke' } as const;
    origins.script(id, { proof: isProven, end: new NotSent('not now') });
    await bench.submit(id, {}, originOf(id, { kind: 'WorkflowRun', name: id }));
    await bench.until(id, ({ status }) => status.message === 'not now');
  }
  for (const id of ['one', 'two']) origins.script(id, { end: undefined });
  bench.clock.advance(60_000);
  const ended = await Promise.all(['one', 'two'].map(bench.ended));
  assert.deepEqual(
    ended.map(({ status }) => status.state),
    ['succeeded', 'succeeded'],
  );
  assert.deepEqual(sent.toSorted(), ['one', 'two']);
});

test('after a restart what was unproven is proven again, and what was proven is followed', async (t) => {
  const origins = new ScriptedOrigins();
  const store = await openSqliteStore({ path: ':memory:' });
  const step = toyStep(async ({ stop }) =>
    stop === undefined
      ? { kind: 'waiting', message: 'the run is going', until: 9_999_999_999_999 }
      : { kind: 'failed', reason: stop.reason, message: stop.message },
  );
  const first = await openWorkbench({ steps: [step], origins, store });
  origins.script('unproven', { proof: unproven });
  await first.submit('unproven', {}, originOf('unproven', { step: 'other' }));
  await first.submit('running', {}, originOf('running'));
  await first.until('running', ({ status }) => status.message === 'the run is going');
  await first.settled();
  await first.engine.close();
  assert.deepEqual([origins.followers('unproven'), origins.followers('running')], [0, 0]);

  const second = await openWorkbench({ steps: [step], origins, store, clock: first.clock });
  t.after(second.close);
  second.clock.advance(1_000);
  await second.settled();
  assert.equal(origins.followers('running'), 1);
  origins.script('running', { seen: gone });
  assert.equal((await second.ended('running')).status.reason, 'OriginGone');
  origins.script('unproven', { proof: { kind: 'denied', message: 'no' } });
  assert.equal((await second.ended('unproven')).status.reason, 'Denied');
});

test('a cancelled execution that was never proven just ends', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', {}, originOf('one'));
  await bench.engine.cancel({ namespace: 'default', id: 'one' }, 'tester');
  assert.deepEqual([(await bench.ended('one')).status.state, sent], ['cancelled', []]);
});

test('a time limit below that of the proof leaves no record of what was never proven', async (t) => {
  const { origins, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', {}, { ...originOf('one'), timeout: '1s' });
  await bench.settled();
  bench.clock.advance(1_000);
  await bench.settled();
  assert.equal(await bench.store.get({ namespace: 'default', id: 'one' }), undefined);
});

test('a time limit that passes while the cluster cannot be asked ends the execution, and soon', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: new NotSent('the cluster cannot be reached') });
  await bench.submit('one', {}, { ...originOf('one'), timeout: '45s' });
  for (let seconds = 0; seconds < 45 + limits.stopMs / 1_000; seconds++) {
    bench.clock.advance(1_000);
    await bench.settled();
  }
  const { status } = await bench.ended('one');
  assert.deepEqual([status.state, status.reason, sent], ['failed', 'TimedOut', []]);
  assert.match(status.message, /^not done within 45s$/);
});

test('one that is asked for while the one before it is being forgotten has its turn', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const { origins, ...bench } = await openSending({ store });
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  await bench.submit('one', {}, originOf('one'));
  const { delete: remove } = store;
  store.delete = async (...args) => {
    await remove.apply(store, args);
    // The answer of the store takes longer than the next tick of the workflow.
    assert.equal((await bench.submit('one', {}, originOf('one'))).created, true);
  };
  await bench.settled();
  bench.clock.advance(limits.unprovenMs);
  await bench.settled();
  origins.script('one', { proof: proven });
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

test('one that is asked for while its absence is being read has its turn', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const { origins, ...bench } = await openSending({ store });
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  const { execution } = await bench.submit('one', {}, originOf('one'));
  await bench.settled();
  const { version } = (await store.get(execution)) ?? assert.fail();
  await store.delete(execution, version);
  const { get } = store;
  store.get = async (key) => {
    store.get = get;
    const read = await store.get(key);
    await bench.submit('one', {}, originOf('one'));
    return read;
  };
  origins.script('one', { proof: proven });
  await bench.settled();
  assert.equal((await bench.ended('one')).status.state, 'succeeded');
});

test('an id that is contested between the look at its record and its proof is denied, also without an effect', async (t) => {
  const origins = new ScriptedOrigins();
  const advanced: string[] = [];
  const step = toyStep(async ({ execution }) => {
    advanced.push(execution.id);
    return { kind: 'succeeded', outputs: {} };
  });
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  const prove = origins.prove.bind(origins);
  origins.prove = async (execution) => {
    await bench.submit('one', { a: 2 }, originOf('one'));
    return prove(execution);
  };
  await bench.submit('one', { a: 1 }, originOf('one'));
  assert.deepEqual([(await bench.ended('one')).status.reason, advanced], ['Denied', []]);
});

test('a cancel that meets the forgetting says that there is nothing to cancel', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const { origins, ...bench } = await openSending({ store });
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  const { execution } = await bench.submit('one', {}, originOf('one'));
  await bench.settled();
  const { get } = store;
  store.get = async (key) => {
    store.get = get;
    const read = await store.get(key);
    if (read !== undefined) await store.delete(read, read.version);
    return read;
  };
  await assert.rejects(
    bench.engine.cancel(execution, 'tester'),
    (error) => error instanceof Problem && error.code === 'not-found',
  );
});

test('nothing is sent where the time limit passes while the origin is read', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.verify = async () => {
    bench.clock.advance(10_000);
    return undefined;
  };
  await bench.submit('one', {}, { ...originOf('one'), timeout: '10s' });
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, sent, status.effects], ['TimedOut', [], []]);
});

test('an origin that can never be read ends in the time limit, with nothing sent', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { end: new Error('no answer') });
  await bench.submit('one', {}, { ...originOf('one'), timeout: '2m' });
  await bench.settled();
  for (let seconds = 0; seconds <= 120; seconds++) {
    bench.clock.advance(1_000);
    await bench.settled();
  }
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, sent, status.effects], ['TimedOut', [], []]);
  assert.match(status.message, /no answer/);
});

test('what undoes is sent although the origin is gone, or cannot be read', async (t) => {
  const calls: string[] = [];
  const origins = new ScriptedOrigins();
  const call = (name: string) =>
    ({ repeat: 'safe', request: {}, send: async () => ({ calls: calls.push(name) }) }) as const;
  const step = toyStep(async (context) => {
    const run = await context.effect('run', call('run'));
    if ('stop' in run) return run.stop;
    if (context.stop === undefined) return { kind: 'waiting', message: 'running', until: 9_999_999_999_999 };
    const undo = await context.effect('undo', call('undo'));
    return 'stop' in undo ? undo.stop : { kind: 'failed', reason: context.stop.reason, message: 'undone' };
  });
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  await bench.submit('one', {}, originOf('one'));
  await bench.until('one', ({ status }) => status.message === 'running');
  origins.script('one', { seen: gone, end: new NotSent('the cluster cannot be reached') });
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, status.message, calls], ['OriginGone', 'undone', ['run', 'undo']]);
});

test('a differing request that comes after the proof stops nothing', async (t) => {
  const { origins, sent, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { end: new NotSent('not now') });
  await bench.submit('one', { a: 1 }, originOf('one'));
  await bench.until('one', ({ status }) => status.message === 'not now');
  const late = await bench.submit('one', { a: 2 }, originOf('one'));
  assert.deepEqual(late.execution.request.with, { a: 1 });
  origins.script('one', { end: undefined });
  bench.clock.advance(60_000);
  assert.deepEqual([(await bench.ended('one')).status.state, sent], ['succeeded', ['one']]);
});

test('bulk work ends between two of its ranges when the watch shows that the origin has ended', async (t) => {
  const sent: number[] = [];
  const origins = new ScriptedOrigins();
  const items = { count: 3, digest: 'd', batchSize: 1, concurrency: 1 };
  const step = toyStep(async (context) => {
    if (context.stop !== undefined) {
      return { kind: 'failed', reason: context.stop.reason, message: context.stop.message };
    }
    const settled = await context.progress('purge', items, async ({ start }) => {
      sent.push(start);
      origins.script('one', { seen: gone });
      return {};
    });
    return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
  });
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  await bench.submit('one', {}, originOf('one'));
  assert.deepEqual([(await bench.ended('one')).status.reason, sent], ['OriginGone', [0]]);
});

test('right before each slice of bulk work the origin is read live, too', async (t) => {
  const sent: number[] = [];
  const origins = new ScriptedOrigins();
  const items = { count: 2, digest: 'd', batchSize: 1, concurrency: 1 };
  const step = toyStep(async (context) => {
    if (context.stop !== undefined)
      return { kind: 'failed', reason: context.stop.reason, message: context.stop.message };
    const settled = await context.progress('purge', items, async ({ start }) => {
      sent.push(start);
      origins.script('one', { end: superseded });
      throw new NotSent('rate limit');
    });
    return 'stop' in settled ? settled.stop : { kind: 'succeeded', outputs: {} };
  });
  const bench = await openWorkbench({ steps: [step], origins });
  t.after(bench.close);
  await bench.submit('one', {}, originOf('one'));
  await bench.until('one', ({ status }) => status.message === 'rate limit');
  bench.clock.advance(60_000);
  assert.deepEqual([(await bench.ended('one')).status.reason, sent], ['Superseded', [0]]);
});

test('after a restart what is unproven counts again, and no more once it is forgotten', async (t) => {
  const store = await openSqliteStore({ path: ':memory:' });
  const origins = new ScriptedOrigins();
  origins.script('*', { proof: unproven });
  const first = await openSending({ store, origins });
  for (let i = 0; i < limits.unprovenPerNamespace; i++) await first.submit(`e${i}`, {}, originOf(`e${i}`));
  await first.engine.close();

  const asked = new Set<string>();
  const prove = origins.prove.bind(origins);
  origins.prove = async (execution) => {
    asked.add(execution.id);
    return prove(execution);
  };
  const second = await openSending({ store, origins });
  t.after(second.close);
  // What is overdue after a restart is spread a little.
  second.clock.advance(1_000);
  while (asked.size < limits.unprovenPerNamespace) await second.settled();
  const more = () => second.submit('more', {}, originOf('more'));
  await assert.rejects(more, (error) => error instanceof Problem && error.code === 'too-many-executions');
  second.clock.advance(limits.unprovenMs);
  while ((await store.countUnfinished()) > 0) await second.settled();
  assert.equal((await more()).created, true);
});

test('a cancel that is stored while it is about to be forgotten is not lost with it', async (t) => {
  const { origins, ...bench } = await openSending();
  t.after(bench.close);
  origins.script('one', { proof: unproven });
  const { execution } = await bench.submit('one', {}, originOf('one'));
  await bench.settled();
  origins.prove = async () => {
    await bench.engine.cancel(execution, 'tester');
    return unproven;
  };
  bench.clock.advance(limits.unprovenMs);
  assert.equal((await bench.ended('one')).status.state, 'cancelled');
});
