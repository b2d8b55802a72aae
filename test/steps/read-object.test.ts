import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { WaitFor } from '../../src/core/awaited-object.ts';
import { Rejected } from '../../src/core/effect.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { fits, mistakesOf } from '../../src/core/schema.ts';
import type { Sight } from '../../src/providers/kubernetes/collection-watch.ts';
import type { KubernetesObject } from '../../src/providers/kubernetes/kubernetes-object.ts';
import { readyGate } from '../../src/steps/read-object/ready-gate.ts';
import { goalOf, judge, resultOf } from '../../src/steps/read-object/wait-for.ts';
import { readObject } from '../../src/steps/read-object.ts';
import { startApiStandIn } from '../providers/kubernetes/api-stand-in.ts';
import { openClient } from '../providers/kubernetes/open-client.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FakeExecution } from './fake-context.ts';

const widgetType = { name: 'widgets', kind: 'Widget', namespaced: true, verbs: ['get', 'list', 'watch'] };
const widgetPlace = { group: 'example.com', version: 'v1', kind: 'Widget', plural: 'widgets', isNamespaced: true };
const path = '/apis/example.com/v1/namespaces/default/widgets/w';
const widget = {
  metadata: { name: 'w', uid: 'u1', resourceVersion: '1', generation: 2, managedFields: [{ manager: 'm' }] },
  status: { phase: 'Pending', parts: [{ ready: true }, { ready: false }] },
};

/** A cluster with what the documents say, which the test changes as it goes on. */
async function stage(test: TestContext, given: JsonObject, changes: Readonly<Record<string, Json>> = {}) {
  const clock = new ManualClock();
  const documents: Record<string, Json | undefined> = {
    '/api': { versions: [] },
    '/apis': { groups: [{ name: 'example.com', versions: [{ version: 'v1' }] }] },
    '/apis/example.com/v1': { resources: [widgetType] },
    [path]: widget,
    ...changes,
  };
  const api = await startApiStandIn(test, ({ url = '' }) => {
    const body = documents[url];
    return body === undefined ? { status: 404, body: { details: { name: 'w' } } } : { body };
  });
  const client = openClient(api.kubeconfig(), {}, clock);
  test.after(() => client.close());
  const execution = new FakeExecution({
    step: readObject,
    with: { kind: 'Widget', name: 'w', ...given },
    clock,
    client,
  });
  return { execution, documents, clock, client, requests: api.requests };
}

describe('read-object', () => {
  it('gives the object without managedFields at both places, as its outputs are declared', async (t) => {
    const { execution } = await stage(t, {});
    const outcome = await execution.advance();
    assert.equal(outcome.kind, 'succeeded');
    const { managedFields: _, ...metadata } = widget.metadata;
    const value = { metadata, status: widget.status };
    assert.deepEqual(outcome.outputs, { value, $returns: { value } });
    assert.ok(fits(readObject.outputs, outcome.outputs));
  });

  it('waits for its signal with a message that stays, and lets the watch decide whether to ask', async (t) => {
    const { execution } = await stage(t, { waitFor: { condition: { type: 'Ready' } } });
    const outcome = await execution.advance();
    assert.deepEqual(outcome, {
      kind: 'waiting',
      message: 'waiting for Widget default/w to have condition Ready=True',
      signals: [`kubernetes:test${path}`],
      state: { uid: 'u1' },
    });
  });

  it('asks anew for as long as the watch knows nothing', async (t) => {
    const { execution, requests, documents } = await stage(t, {
      waitFor: { jsonPath: '.status.phase', equals: 'Done' },
    });
    await execution.advance();
    documents[path] = { ...widget, status: { phase: 'Done' } };
    assert.equal((await execution.advance()).kind, 'succeeded');
    assert.equal(requests.filter((request) => request === path).length, 2);
  });

  it('ignores what is missing where it is told to, and says null for all that was selected', async (t) => {
    const { execution } = await stage(t, { name: 'none', missing: 'ignore', select: { phase: '.status.phase' } });
    const outcome = await execution.advance();
    assert.equal(outcome.kind, 'succeeded');
    const returns = { value: {}, err: 'Widget default/none does not exist' };
    assert.deepEqual(outcome.outputs, { phase: null, ...returns, $returns: returns });
    assert.ok(fits(readObject.outputs, outcome.outputs));
  });

  it('fails at once for a kind that the cluster does not know, but waits a while where it waits for the object', async (t) => {
    const atOnce = await stage(t, { kind: 'Gadget' });
    const failed = await atOnce.execution.finish();
    assert.deepEqual([failed.kind, 'reason' in failed && failed.reason], ['failed', 'NotFound']);

    const patient = await stage(t, { kind: 'Gadget', waitFor: 'exists' });
    const startedAt = patient.clock.now();
    const late = await patient.execution.finish();
    assert.deepEqual(['reason' in late && late.reason, patient.clock.now() - startedAt], ['NotFound', 30_000]);
    assert.deepEqual(patient.execution.messages, ['the cluster knows no kind Gadget: is its CRD installed?']);

    const rewarded = await stage(t, { kind: 'Gadget', waitFor: 'exists' });
    const gadgets = '/apis/example.com/v1/namespaces/default/gadgets/w';
    const end = await rewarded.execution.finish(() => {
      const gadgetType = { ...widgetType, name: 'gadgets', kind: 'Gadget' };
      rewarded.documents['/apis/example.com/v1'] = { resources: [widgetType, gadgetType] };
      rewarded.documents[gadgets] = widget;
    });
    assert.equal(end.kind, 'succeeded');
  });

  it('ends with the reason of a stop, and reads nothing more', async (t) => {
    const { execution, requests } = await stage(t, { waitFor: 'rolledOut', name: 'none' });
    await execution.advance();
    const before = requests.length;
    execution.stop({ reason: 'Cancelled', at: 0, message: 'cancelled by tester' });
    assert.deepEqual(await execution.advance(), {
      kind: 'failed',
      reason: 'Cancelled',
      message: 'cancelled by tester',
    });
    assert.equal(requests.length, before);
  });

  it('points to select where the object is too large, and to less of it where that is', async (t) => {
    const large = { ...widget, data: 'x'.repeat(33_000) };
    for (const [given, words] of [
      [{}, /take the fields that you need with select$/],
      [{ select: { a: '.data', b: '.data' } }, /select less$/],
    ] as const) {
      const { execution } = await stage(t, given, { [path]: large });
      const outcome = await execution.advance();
      assert.ok(outcome.kind === 'failed' && outcome.reason === 'TooLarge');
      assert.match(outcome.message, words);
    }
  });
});

describe('while it waits, read-object', () => {
  const busy = { metadata: { name: 'w', uid: 'u1' }, status: { phase: 'Busy' } };
  const done = { metadata: { name: 'w', uid: 'u1' }, status: { phase: 'Done' } };
  const type = { ...widgetPlace, hasStatus: true };

  /** Waits already; then the watch shows one thing, and the cluster says another when it is asked. */
  async function advance(sight: Sight | undefined, read: KubernetesObject | undefined) {
    let reads = 0;
    const client = {
      find: async () => ({ type }),
      look: () => sight,
      signalOf: () => 'kubernetes:test/w',
      read: async () => {
        reads += 1;
        return read;
      },
    };
    const params = { kind: 'Widget', name: 'w', waitFor: { jsonPath: '.status.phase', equals: 'Done' } };
    const execution = new FakeExecution({ step: readObject, with: params, clock: new ManualClock(), client });
    const { status } = execution.execution;
    execution.execution = { ...execution.execution, status: { ...status, stepState: { uid: 'u1' } } };
    const outcome = await execution.advance();
    return { reads, kind: outcome.kind, reason: 'reason' in outcome ? outcome.reason : undefined };
  }

  it('asks nothing while the watch shows that it is not done', async () => {
    assert.deepEqual(await advance({ object: busy }, done), { reads: 0, kind: 'waiting', reason: undefined });
  });

  it('does not take the word of a watch that lags behind for its end', async () => {
    assert.deepEqual(await advance({ object: done }, busy), { reads: 1, kind: 'waiting', reason: undefined });
    assert.deepEqual(await advance({ object: undefined }, busy), { reads: 1, kind: 'waiting', reason: undefined });
  });

  it('ends as the cluster says once the watch shows that there is something to see', async () => {
    assert.deepEqual(await advance({ object: done }, done), { reads: 1, kind: 'succeeded', reason: undefined });
    assert.deepEqual(await advance({ object: undefined }, undefined), {
      reads: 1,
      kind: 'failed',
      reason: 'ObjectDeleted',
    });
    const other = { ...done, metadata: { name: 'w', uid: 'u2' } };
    assert.deepEqual(await advance({ object: other }, other), { reads: 1, kind: 'failed', reason: 'ObjectReplaced' });
  });

  it('ends with what the watch is refused', async () => {
    const refused = new Rejected('ConnectionFailed', 'no right to watch');
    assert.deepEqual(await advance({ refused }, busy), { reads: 0, kind: 'failed', reason: 'ConnectionFailed' });
  });
});

describe('read-object refuses', () => {
  for (const { name, given, at } of [
    { name: 'a cluster whose name is a path', given: { cluster: 'edge/../hub' }, at: '/cluster' },
    { name: 'a path that is none', given: { select: { a: '{.a' } }, at: '/select/a' },
    { name: 'a script in a path', given: { select: { a: '.a[?(process.exit())]' } }, at: '/select/a' },
    { name: 'an output name that is taken', given: { select: { value: '.a' } }, at: '/select/value' },
    { name: 'an output name of onChange', given: { select: { newValue: '.a' } }, at: '/select/newValue' },
    { name: 'an output name that CUE would have to quote', given: { select: { 'a-b': '.a' } }, at: '/select/a-b' },
    {
      name: 'a path to wait for that is none',
      given: { waitFor: { jsonPath: '.a[', equals: 1 } },
      at: '/waitFor/jsonPath',
    },
    { name: 'an unknown thing to wait for', given: { waitFor: 'ready' }, at: '/waitFor' },
    { name: 'a name with a slash', given: { name: 'a/b' }, at: '/name' },
    { name: 'a kind that is a path', given: { kind: '../pods' }, at: '/kind' },
    { name: 'a namespace that is a path', given: { namespace: 'a/../b' }, at: '/namespace' },
  ]) {
    it(name, () => {
      const params = { kind: 'Widget', name: 'w', ...given };
      const mistakes = mistakesOf(readObject.params, params);
      const found = mistakes.length > 0 ? mistakes : readObject.check?.(params as never);
      assert.deepEqual(
        found?.map((mistake) => mistake.path),
        [at],
      );
    });
  }

  it('the same in readyWhen, below its own places', () => {
    const object = { kind: 'Widget', name: 'w' };
    const waitFor = { jsonPath: '.a[', equals: 1 };
    assert.deepEqual(
      readyGate.check({ object, waitFor }).map((mistake) => mistake.path),
      ['/waitFor/jsonPath'],
    );
  });
});

describe('waiting for', () => {
  const type = { ...widgetPlace, hasStatus: true };
  const object = {
    ...widget,
    status: {
      ...widget.status,
      replicas: 3,
      conditions: [
        { type: 'Ready', status: 'False', reason: 'Busy', message: 'at work' },
        { type: 'Old', status: 'True', observedGeneration: 1 },
      ],
    },
  };
  for (const [waitFor, kind, detail = ''] of [
    ['exists', 'met'],
    ['rolledOut', 'notYet', 'its condition Ready is False (Busy: at work)'],
    [{ condition: { type: 'Ready' } }, 'notYet', 'its condition Ready is False (Busy: at work)'],
    [{ condition: { type: 'ready', status: 'false' } }, 'met'],
    [{ condition: { type: 'Nope' } }, 'notYet', 'it has no condition Nope'],
    [{ condition: { type: 'Old' } }, 'notYet', 'its condition Old is of an older spec'],
    [{ jsonPath: '.status.phase', equals: 'Pending' }, 'met'],
    [{ jsonPath: '.status.phase', equals: 'Done' }, 'notYet', 'it has "Pending" at .status.phase'],
    [{ jsonPath: '.status.nothing', equals: '' }, 'notYet', 'it has nothing at .status.nothing'],
    [{ jsonPath: '.status.replicas', equals: 3 }, 'met'],
    [{ jsonPath: '.status.replicas', equals: '3' }, 'met'],
    [{ jsonPath: '.status.parts[*].ready', equals: true }, 'notYet', 'it has false at .status.parts[*].ready'],
    [{ jsonPath: '.status.parts[0].ready', equals: true }, 'met'],
    [{ jsonPath: '.status.parts[0].ready', equals: 'true' }, 'met'],
  ] as const satisfies readonly (readonly [WaitFor, string, string?])[]) {
    it(`${JSON.stringify(waitFor)} is ${kind}`, () => {
      const verdict = judge(waitFor, object, type);
      assert.deepEqual([verdict.kind, 'detail' in verdict ? verdict.detail : ''], [kind, detail]);
    });
  }

  it('each is named alike before and after', () => {
    const ready: WaitFor = { condition: { type: 'Ready' } };
    assert.deepEqual([goalOf(ready), resultOf(ready)], ['have condition Ready=True', 'has condition Ready=True']);
    const phase: WaitFor = { jsonPath: '.a', equals: 'b' };
    assert.deepEqual([goalOf(phase), resultOf(phase)], ['have "b" at .a', 'has "b" at .a']);
    assert.deepEqual([goalOf('rolledOut'), resultOf('rolledOut')], ['be rolled out', 'is rolled out']);
  });
});
