import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@sinclair/typebox';
import type { ChangeGate } from '../../src/core/change-gate.ts';
import { Rejected } from '../../src/core/effect.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { Problem } from '../../src/core/problem.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { ScriptedOrigins } from './scripted-origins.ts';
import { effectStep, openWorkbench, toyStep } from './workbench.ts';

const recurring = (key: Json, more: JsonObject = {}) => ({ onChange: { key, scope: 'web' }, ...more });

/** A step with one effect that fails for the ids given, and what was sent. */
async function openSending(options: { fails?: readonly string[]; origins?: ScriptedOrigins } = {}) {
  const sent: string[] = [];
  const step = effectStep(({ execution }) => ({
    repeat: 'safe',
    request: {},
    send: async () => {
      sent.push(execution.id);
      if (options.fails?.includes(execution.id)) throw new Rejected('EffectFailed', 'no');
      return { sentBy: execution.id };
    },
  }));
  const bench = await openWorkbench({ steps: [step], ...(options.origins && { origins: options.origins }) });
  /** One after the other, a second apart. */
  async function run(id: string, params: JsonObject, more: JsonObject) {
    bench.clock.advance(1_000);
    await bench.submit(id, params, more);
    return (await bench.ended(id)).status;
  }
  return { ...bench, sent, run };
}

test('unchanged: nothing is called, and the outputs are those of the last success', async (t) => {
  const { sent, run, ...bench } = await openSending();
  t.after(bench.close);
  const first = await run('one', {}, recurring('a'));
  assert.deepEqual([first.state, first.outputs], ['succeeded', { changed: true, newValue: 'a', sentBy: 'one' }]);
  const second = await run('two', {}, recurring('a'));
  assert.deepEqual([second.state, second.reason], ['succeeded', 'Unchanged']);
  assert.deepEqual(second.outputs, { changed: false, sentBy: 'one' });
  assert.equal(second.message, 'unchanged since default/one');
  const third = await run('three', {}, recurring('a'));
  assert.deepEqual(third.outputs, { changed: false, sentBy: 'one' });
  assert.deepEqual(sent, ['one']);
});

test('changed: it runs, and tells the old value and the new', async (t) => {
  const { sent, run, ...bench } = await openSending();
  t.after(bench.close);
  await run('one', {}, recurring('a'));
  const second = await run('two', {}, recurring('b'));
  assert.deepEqual(second.outputs, { changed: true, oldValue: 'a', newValue: 'b', sentBy: 'two' });
  assert.deepEqual(sent, ['one', 'two']);
});

test('changed after it was unchanged: the old value is still told', async (t) => {
  const { run, ...bench } = await openSending();
  t.after(bench.close);
  await run('one', {}, recurring('a'));
  await run('two', {}, recurring('a'));
  const third = await run('three', {}, recurring('b'));
  assert.deepEqual(third.outputs, { changed: true, oldValue: 'a', newValue: 'b', sentBy: 'three' });
});

test('A, then B which fails, then A again: it runs, for B may have done something', async (t) => {
  const { sent, run, ...bench } = await openSending({ fails: ['two'] });
  t.after(bench.close);
  await run('one', {}, recurring('a'));
  assert.equal((await run('two', {}, recurring('b'))).state, 'failed');
  assert.equal((await run('three', {}, recurring('a'))).reason, undefined);
  assert.deepEqual(sent, ['one', 'two', 'three']);
});

test('A, B, A: it runs three times', async (t) => {
  const { sent, run, ...bench } = await openSending();
  t.after(bench.close);
  for (const [id, key] of [
    ['one', 'a'],
    ['two', 'b'],
    ['three', 'a'],
  ] as const)
    await run(id, {}, recurring(key));
  assert.deepEqual(sent, ['one', 'two', 'three']);
});

test('after a failure with the same value it runs again', async (t) => {
  const { sent, run, ...bench } = await openSending({ fails: ['one'] });
  t.after(bench.close);
  await run('one', {}, recurring('a'));
  await run('two', {}, recurring('a'));
  await run('three', {}, recurring('a'));
  assert.deepEqual(sent, ['one', 'two']);
});

test('edited parameters of the step are a change', async (t) => {
  const { sent, run, ...bench } = await openSending();
  t.after(bench.close);
  await run('one', { ref: 'main' }, recurring('a'));
  await run('two', { ref: 'next' }, recurring('a'));
  assert.deepEqual(sent, ['one', 'two']);
});

test('scopes and namespaces know nothing of each other', async (t) => {
  const { sent, run, ...bench } = await openSending();
  t.after(bench.close);
  await run('one', {}, recurring('a'));
  await run('two', {}, { onChange: { key: 'a', scope: 'other' } });
  await bench.engine.accept({
    namespace: 'elsewhere',
    id: 'three',
    caller: 'tester',
    body: { step: 'toy', with: {}, ...recurring('a') },
  });
  await bench.until('three', ({ status }) => status.state === 'succeeded');
  assert.deepEqual(sent, ['one', 'two', 'three']);
});

test('of a workflow the origin step is what recurs, and its declared parameters count, not what inputs feed', async (t) => {
  const origins = new ScriptedOrigins();
  const { sent, run, ...bench } = await openSending({ origins });
  t.after(bench.close);
  const origin = (sessionID: string) => ({
    origin: { kind: 'Application', namespace: 'default', name: 'shop', step: 'smoke', sessionID },
    onChange: { key: 'a' },
  });
  const proven = (uid: string, declared: string) =>
    ({ kind: 'proven', proof: { uid, declared, provenAt: 1 }, originStep: `Application/${uid}/smoke` }) as const;
  for (const [id, uid, declared, params] of [
    ['one', 'u', 'd', { fed: 1 }],
    ['fed-otherwise', 'u', 'd', { fed: 2 }],
    ['edited', 'u', 'e', { fed: 2 }],
    ['re-created', 'v', 'e', { fed: 2 }],
    ['again', 'v', 'e', { fed: 2 }],
  ] as const) {
    origins.script(id, { proof: proven(uid, declared) });
    await run(id, params, origin(id));
  }
  assert.deepEqual(sent, ['one', 'edited', 're-created']);
});

test('two revisions in flight: the older is stopped, and the value of the newer counts whichever ends first', async (t) => {
  const sent: string[] = [];
  const step = toyStep(async (context) => {
    if (context.stop !== undefined)
      return { kind: 'failed', reason: context.stop.reason, message: context.stop.message };
    const { id } = context.execution;
    const settled = await context.effect('write', {
      repeat: 'safe',
      request: {},
      send: async () => {
        sent.push(id);
        return {};
      },
    });
    if ('stop' in settled) return settled.stop;
    return id === 'old'
      ? { kind: 'waiting', message: 'working', until: context.now() + 60_000 }
      : { kind: 'succeeded', outputs: {} };
  });
  const bench = await openWorkbench({ steps: [step] });
  t.after(bench.close);
  const run = async (id: string, key: string) => {
    bench.clock.advance(1_000);
    await bench.submit(id, {}, recurring(key));
  };
  await run('old', 'a');
  await bench.until('old', ({ status }) => status.message === 'working');
  await run('new', 'b');
  assert.equal((await bench.ended('old')).status.reason, 'Superseded');
  assert.equal((await bench.ended('new')).status.state, 'succeeded');
  await run('same', 'b');
  assert.equal((await bench.ended('same')).status.reason, 'Unchanged');
  await run('back', 'a');
  assert.equal((await bench.ended('back')).status.reason, undefined);
  assert.deepEqual(sent, ['old', 'new', 'back']);
});

test('a step that never sends anything is compared with its last success', async (t) => {
  const begun: string[] = [];
  const step = toyStep(async ({ execution: { id } }) => {
    begun.push(id);
    return { kind: 'succeeded', outputs: { value: id } };
  });
  const bench = await openWorkbench({ steps: [step] });
  t.after(bench.close);
  for (const [id, key] of [
    ['one', 'a'],
    ['two', 'a'],
    ['three', 'a'],
    ['four', 'b'],
  ] as const) {
    bench.clock.advance(1_000);
    await bench.submit(id, {}, recurring(key));
    await bench.ended(id);
  }
  assert.deepEqual(begun, ['one', 'four']);
});

test('what is compared is looked at once: after a restart the step goes on with what was seen', async (t) => {
  let looks = 0;
  const changeGate: ChangeGate = {
    check: () => [],
    uses: () => [],
    look: async () => {
      looks += 1;
      return { seen: { evidence: looks, value: looks } };
    },
  };
  const store = await openSqliteStore({ path: ':memory:' });
  const step = toyStep(async ({ now, state }) =>
    state === undefined
      ? { kind: 'waiting', message: 'working', until: now() + 60_000, state: 1 }
      : { kind: 'succeeded', outputs: {} },
  );
  const first = await openWorkbench({ steps: [step], changeGate, store });
  await first.submit('one', {}, recurring('a'));
  await first.until('one', ({ status }) => status.message === 'working');
  await first.engine.close();
  const second = await openWorkbench({ steps: [step], changeGate, store, clock: first.clock });
  t.after(second.close);
  second.clock.advance(120_000);
  const { status } = await second.ended('one');
  assert.deepEqual([looks, status.outputs], [1, { changed: true, newValue: 1 }]);
});

test('a gate that has to wait does, and one that fails ends the execution; nothing is sent', async (t) => {
  const answers = [
    { kind: 'waiting', message: 'no such kind yet', until: 0 },
    { kind: 'failed', reason: 'NotFound', message: 'Deployment default/web does not exist' },
  ] as const;
  let looks = 0;
  const changeGate: ChangeGate = {
    check: () => [],
    uses: () => [],
    look: async () => answers[looks++] ?? answers[1],
  };
  let sends = 0;
  const step = effectStep(() => ({ repeat: 'safe', request: {}, send: async () => ({ sends: ++sends }) }));
  const bench = await openWorkbench({ steps: [step], changeGate });
  t.after(bench.close);
  await bench.submit('one', {}, recurring('a'));
  await bench.until('one', ({ status }) => status.message === 'no such kind yet');
  bench.clock.advance(60_000);
  const { status } = await bench.ended('one');
  assert.deepEqual([status.reason, sends], ['NotFound', 0]);
});

test('a stop ends what waits for something to compare, and the gate is not asked again', async (t) => {
  let looks = 0;
  const changeGate: ChangeGate = {
    check: () => [],
    uses: () => [],
    look: async () => {
      looks += 1;
      return { kind: 'waiting', message: 'no such kind yet', until: 9_999_999_999_999 };
    },
  };
  const bench = await openWorkbench({ steps: [toyStep(() => assert.fail('begun'))], changeGate });
  t.after(bench.close);
  await bench.submit('one', {}, recurring('a'));
  await bench.until('one', ({ status }) => status.message === 'no such kind yet');
  await bench.engine.cancel({ namespace: 'default', id: 'one' }, 'tester');
  assert.deepEqual([(await bench.ended('one')).status.state, looks], ['cancelled', 1]);
});

test('a connection of onChange or readyWhen that policy refuses ends it before anything is looked at', async (t) => {
  const uses = () => [{ family: 'kubernetes', claims: {} }] as const;
  const look = () => assert.fail('looked at');
  const readyWhen = { object: { kind: 'Deployment', name: 'web' } };
  for (const [gates, more] of [
    [{ changeGate: { check: () => [], uses, look } }, recurring('a')],
    [{ readyGate: { check: () => [], uses, advance: look } }, { readyWhen }],
  ] as const) {
    const type = { type: 'toy', family: 'kubernetes', options: Type.Object({}), allow: [], open: look } as const;
    const allow = { namespaces: ['others'] };
    const connection = { name: 'theirs', type: 'toy', allow, isDefault: false, options: {}, place: 'a.yaml:1' };
    const steps = [toyStep(look)];
    const bench = await openWorkbench({ steps, connectionTypes: [type], connections: [connection], ...gates });
    t.after(bench.close);
    await bench.submit('one', {}, more);
    const { status } = await bench.ended('one');
    assert.deepEqual([status.reason, status.startedAt], ['Denied', undefined]);
  }
});

test('a large value is compared but not kept', async (t) => {
  const { run, ...bench } = await openSending();
  t.after(bench.close);
  const status = await run('one', {}, recurring('x'.repeat(2_000)));
  assert.deepEqual(status.outputs, { changed: true, sentBy: 'one' });
  assert.equal(status.change?.value, undefined);
  assert.equal((await run('two', {}, recurring('x'.repeat(2_000)))).reason, 'Unchanged');
});

test('whoever calls the API names a scope; a workflow step is its own; a component needs an Application', async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(async () => ({ kind: 'succeeded', outputs: {} }))] });
  t.after(bench.close);
  const origin = { kind: 'WorkflowRun', namespace: 'default', name: 'run', step: 'smoke', sessionID: 'one' };
  for (const [more, path] of [
    [{ onChange: { key: 1 } }, '/onChange/scope'],
    [{ onChange: { key: 1, scope: 'web' }, origin }, '/onChange/scope'],
    [{ onChange: { component: 'web', scope: 'web' } }, '/onChange/component'],
    [{ onChange: { component: 'web' }, origin }, '/onChange/component'],
  ] as const) {
    await assert.rejects(bench.submit('one', {}, more), (error) => {
      assert.ok(error instanceof Problem);
      assert.deepEqual(
        error.mistakes.map((mistake) => mistake.path),
        [path],
      );
      return true;
    });
  }
});
