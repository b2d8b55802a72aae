import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { eventually } from '../eventually.ts';
import { type Kubernetes, startKubernetes } from '../kubernetes/start-kubernetes.ts';
import { seededRandom } from '../seeded-random.ts';
import { ApiError, Cluster } from './cluster.ts';
import { installKubeVela } from './crds.ts';
import { addonDefinitions } from './definitions.ts';
import { brief, EngineStage, stepOf } from './engine-stage.ts';
import type { Application, KubernetesObject, WorkflowStep } from './objects.ts';
import type { KubeVelaVersion } from './step-template.ts';
import { restartWorkflow, resumeWorkflow, suspendWorkflow, terminateWorkflow } from './workflow-operations.ts';

let kubernetes: Kubernetes;
let cluster: Cluster;
before(async () => {
  kubernetes = await startKubernetes();
  cluster = new Cluster(kubernetes);
  await installKubeVela(cluster);
});
after(() => kubernetes.close());

const apply: WorkflowStep = { name: 'apply', type: 'apply-component', properties: { component: 'settings' } };
const purge: WorkflowStep = { name: 'purge', type: 'purge-cdn', properties: { tags: ['web'] } };
const smoke: WorkflowStep = {
  name: 'smoke',
  type: 'trigger-github-action',
  properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};
const report: WorkflowStep = { name: 'report', type: 'print-message-in-status', properties: { message: 'hello' } };

/** A definition that does what a test says. */
function definition(template: string): string {
  const imports = ['builtin', 'http']
    .filter((name) => template.includes(`${name}.#`))
    .map((name) => `\t"vela/${name}"`);
  return `import (\n${imports.join('\n')}\n)\n\ntemplate: {\n${template}\nparameter: {...}\n}\n`;
}

/** How long ticks back off at most, and some. */
const longEnoughMs = 70_000;

describe('ticks', () => {
  test('a step that waits with one message is asked at 0, 1, 2, 3, 4, 5, 8, 14, 26, 51 s, and then every minute', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    await stage.create([purge]);
    await stage.untilPhase('executing');
    await stage.runFor(230_000);
    const startSecond = Math.floor((stage.engine.calls[0]?.at ?? 0) / 1_000) + 1;
    const seconds = stage.engine.calls.map(({ at }) => Math.max(0, at / 1_000 - startSecond));
    // The first interval ends with the second that it began in: the engine was asked within 300 ms.
    assert.deepEqual(seconds, [0, 0, 1, 2, 3, 4, 5, 8, 14, 26, 51, 102, 162, 222]);
  });

  test('a message that changes brings the ticks back to one a second', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    await stage.create([purge]);
    await stage.untilPhase('executing');
    await stage.runFor(30_000);
    const before = stage.engine.calls.length;
    stage.executor.answer('purge', 'running', 'something else');
    await stage.runFor(30_000);
    const later = stage.engine.calls.slice(before).map(({ at }) => at / 1_000);
    const spans = later.slice(1).map((at, index) => at - (later[index] ?? 0));
    assert.deepEqual(spans.slice(0, 5), [1, 1, 1, 1, 1]);
  });

  test('a condition of ours makes the engine ask at once, and stays; what the engine itself writes does not', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const name = await stage.create([purge]);
    await stage.untilPhase('executing');
    await stage.runFor(10_000);
    const asked = stage.engine.calls.length;
    const lastTransitionTime = '2026-11-21T02:00:00Z';
    const condition = { type: 'AfterSync', status: 'True', reason: 'Succeeded', message: 'purge', lastTransitionTime };
    stage.executor.answer('purge', 'succeeded', 'purged');
    await cluster.jsonPatchStatus(name, [{ op: 'add', path: '/status/conditions/-', value: condition }]);
    const { status } = await stage.untilPhase('succeeded');
    assert.equal(stage.engine.calls.length, asked + 1);
    const types = status?.conditions?.map(({ type }) => type);
    assert.deepEqual(types, ['Parsed', 'Revision', 'Policy', 'Render', 'AfterSync', 'Workflow', 'Ready']);
  });
});

describe('status', () => {
  test('what KubeVela writes stands there: revision, steps with ids of ten characters, phases, applied resources', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const { namespace } = stage;
    await stage.create([apply, purge, report]);
    const running = await stage.untilPhase('executing');
    assert.deepEqual(brief(running), [
      ['apply', 'succeeded', undefined, undefined],
      ['purge', 'running', 'Wait', 'in progress'],
    ]);
    assert.equal(running.status?.status, 'runningWorkflow');
    assert.equal(running.status?.latestRevision?.name, 'shop-v1');
    assert.equal(running.status?.workflow?.appRevision, 'shop-v1');
    assert.equal(running.status?.workflow?.mode, 'StepByStep-DAG');
    const purging = stepOf(running, 'purge');
    assert.match(purging.id ?? '', /^[a-z0-9]{10}$/);
    assert.equal(purging.type, 'purge-cdn');
    assert.equal(stage.executor.asked[0]?.id, purging.id);
    assert.deepEqual(running.status?.appliedResources, [
      { creator: 'workflow', apiVersion: 'v1', kind: 'ConfigMap', name: 'settings', namespace },
    ]);
    const applied = await cluster.get<KubernetesObject>({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: 'settings',
      namespace,
    });
    assert.equal(applied?.metadata.labels?.['app.oam.dev/name'], 'shop');
    assert.equal(applied?.metadata.labels?.['app.oam.dev/component'], 'settings');

    stage.executor.answer('purge', 'succeeded', 'purged');
    await stage.runFor(longEnoughMs);
    const ended = await stage.untilPhase('succeeded');
    assert.deepEqual(brief(ended), [
      ['apply', 'succeeded', undefined, undefined],
      ['purge', 'succeeded', undefined, 'purged'],
      ['report', 'succeeded', undefined, 'hello'],
    ]);
    assert.equal(ended.status?.status, 'running');
    assert.equal(ended.status?.workflow?.finished, true);
    assert.equal(stepOf(ended, 'purge').id, purging.id);
  });

  test('an id is made at first sight and stands in the status only after the tick', async (t) => {
    const asked = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const beforeWrite = () => {
      asked.resolve();
      return written.promise;
    };
    const stage = await EngineStage.set(t, kubernetes, { beforeWrite });
    await stage.create([purge]);
    await asked.promise;
    assert.equal(stage.executor.asked.length, 1);
    assert.equal((await stage.read()).status?.workflow, undefined);
    assert.equal((await stage.read()).status?.latestRevision?.name, 'shop-v1');
    written.resolve();
    assert.equal(stepOf(await stage.untilPhase('executing'), 'purge').id, stage.executor.asked[0]?.id);
  });

  test('a status write that meets a newer object is given up, and the other steps of that tick run again', async (t) => {
    let isFirst = true;
    const stage = await EngineStage.set(t, kubernetes, {
      beforeWrite: async (name) => {
        if (!isFirst) return;
        isFirst = false;
        await cluster.jsonPatchStatus(name, [{ op: 'add', path: '/status/message', value: 'from elsewhere' }]);
      },
    });
    const { url } = stage.executor;
    stage.executor.answer('/other', 'succeeded', 'done');
    const request: WorkflowStep = {
      name: 'other',
      type: 'request',
      properties: { url: `${url}/other`, method: 'POST' },
    };
    await stage.create([{ name: 'both', type: 'step-group', subSteps: [purge, request] }]);
    await eventually(
      () => stage.read(),
      () => stage.engine.conflicts === 1,
    );
    await stage.runFor(1_000);
    const { id } = stepOf(await stage.untilPhase('executing'), 'other');
    assert.deepEqual(
      stage.engine.callsOf('other').map(({ id: called }) => called === id),
      [false, true],
    );
    assert.equal(new Set(stage.engine.callsOf('purge').map((call) => call.id)).size, 2);
  });

  test('a lost first write makes a step come with a second id, by a seed', async (t) => {
    const random = seededRandom(7);
    const stage = await EngineStage.set(t, kubernetes, { losesFirstWrite: () => random.chance(0.6) });
    await stage.create([purge]);
    // What was lost is tried again when some time has passed.
    const aWhileLater = async () => {
      await stage.runFor(100);
      return stage.read();
    };
    const written = await eventually(aWhileLater, ({ status }) => status?.workflow?.steps !== undefined);
    const { id } = stepOf(written, 'purge');
    const ids = [...new Set(stage.engine.calls.map((call) => call.id))];
    assert.ok(stage.engine.conflicts > 0);
    assert.equal(ids.length, stage.engine.conflicts + 1);
    assert.equal(ids.at(-1), id);
  });
});

describe('actions', () => {
  const twoActions = definition(`
    wait: builtin.#ConditionalWait & {$params: {continue: false, message: "not yet"}}
    fail: builtin.#Fail & {$params: message: "after the wait"}`);
  const rules: readonly (readonly [KubeVelaVersion, string, string])[] = [
    ['1.10', 'running', 'not yet'],
    ['1.11', 'failed', 'after the wait'],
  ];
  for (const [version, phase, message] of rules) {
    test(`KubeVela ${version}: what comes after a wait leaves the step ${phase}`, async (t) => {
      const definitions = { ...addonDefinitions(), both: twoActions };
      const stage = await EngineStage.set(t, kubernetes, { version, definitions });
      await stage.create([{ name: 'both', type: 'both' }]);
      const status = await stage.until(({ status }) => status?.workflow?.steps !== undefined);
      assert.deepEqual([stepOf(status, 'both').phase, stepOf(status, 'both').message], [phase, message]);
    });

    test(`KubeVela ${version}: our definition waits, succeeds, fails, and survives what is no answer`, async (t) => {
      const stage = await EngineStage.set(t, kubernetes, { version });
      const steps: [string, Parameters<typeof stage.executor.answerWith>[1]][] = [
        ['busy', { status: 503, body: '<h1>Bad</h1>' }],
        ['done', { body: { state: 'succeeded', message: 'purged', outputs: {} } }],
        ['no', { body: { state: 'failed', message: 'no zone', outputs: {} } }],
        ['refused', { status: 422, body: { detail: 'tags: expected a list' } }],
      ];
      for (const [name, answer] of steps) stage.executor.answerWith(name, answer);
      const subSteps = steps.map(([name]) => ({ ...purge, name }));
      await stage.create([{ name: 'all', type: 'step-group', subSteps }]);
      const status = await stage.untilPhase('executing');
      assert.deepEqual(
        steps.map(([name]) => stepOf(status, name)).map(({ phase, reason, message }) => [phase, reason, message]),
        [
          ['running', 'Wait', 'aftersync cannot answer now; asking again'],
          ['succeeded', undefined, 'purged'],
          ['failed', 'Action', 'no zone'],
          ['failed', 'Action', 'tags: expected a list'],
        ],
      );
      assert.equal(stepOf(status, 'all').phase, 'running');
    });
  }
});

describe('failures', () => {
  test('a failed step ends the workflow: later ones are skipped, but for those that are there for that case', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answer('smoke', 'failed', 'the run failed', { runUrl: 'https://github.example/1' });
    const inputs = [{ from: 'run', parameterKey: 'message' }];
    await stage.create([
      { ...smoke, outputs: [{ name: 'run', valueFrom: 'outputs.runUrl' }] },
      purge,
      { ...report, if: 'status.smoke.failed', inputs },
      { ...report, name: 'never', if: 'status["smoke"].succeeded' },
      { ...report, name: 'always', if: 'always' },
    ]);
    const failed = await stage.untilPhase('failed');
    assert.deepEqual(brief(failed), [
      ['smoke', 'failed', 'Action', 'the run failed'],
      ['purge', 'skipped', 'Skip', undefined],
      ['report', 'succeeded', undefined, 'https://github.example/1'],
      ['never', 'skipped', 'Skip', undefined],
      ['always', 'succeeded', undefined, 'hello'],
    ]);
    assert.equal(failed.status?.status, 'workflowFailed');
    assert.equal(failed.status?.workflow?.terminated, true);
  });

  test('an executor that does not answer is asked eleven times, and its call stands in the message', async (t) => {
    const stage = await EngineStage.set(t, kubernetes, {
      services: { 'http://aftersync.vela-system:8080': 'http://127.0.0.1:9' },
    });
    await stage.create([purge]);
    await stage.until(({ status }) => status?.workflow?.steps !== undefined);
    await stage.runFor(120_000);
    const { reason, message } = stepOf(await stage.untilPhase('failed'), 'purge');
    assert.equal(stage.engine.calls.length, 11);
    assert.equal(reason, 'FailedAfterRetries');
    assert.match(message ?? '', /connection refused.*"tags\\":\[\\"web/);
  });

  test("a step's own timeout fails it, and its template runs once more", async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    await stage.create([{ ...purge, timeout: '20s' }, report]);
    await stage.untilPhase('executing');
    await stage.runFor(40_000);
    assert.deepEqual(brief(await stage.untilPhase('failed')), [
      ['purge', 'failed', 'Timeout', undefined],
      ['report', 'skipped', 'Skip', undefined],
    ]);
    const seconds = stage.engine.calls.map(({ at }) => at / 1_000);
    assert.ok((seconds.at(-1) ?? 0) - (seconds[0] ?? 0) > 20);
  });
});

describe('data', () => {
  test('inputs reach nested, quoted and indexed places, from outputs and from the context', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answer('purge', 'succeeded', 'purged', { purged: { tags: 3 }, provider: 'varnish' });
    await stage.create(
      [
        {
          ...purge,
          outputs: [
            { name: 'count', valueFrom: 'outputs.purged.tags' },
            { name: 'provider', valueFrom: 'outputs["provider"]' },
            { name: 'nothing', valueFrom: 'outputs.missing' },
          ],
        },
        {
          ...smoke,
          inputs: [
            { from: 'count', parameterKey: 'inputs.count' },
            { from: 'provider', parameterKey: 'inputs["the-provider"]' },
            { from: 'context.publishVersion', parameterKey: 'inputs.version' },
            { from: 'context.appName', parameterKey: 'expect[1]' },
          ],
          properties: { ...smoke.properties, expect: ['success', 'neutral'] },
        },
      ],
      { annotations: { 'app.oam.dev/publishVersion': 'v7' } },
    );
    const status = await stage.until((application) => brief(application).length === 2);
    assert.equal(
      stepOf(status, 'purge').message,
      'failed to get output from outputs.missing: failed to lookup value: var(path=outputs.missing.$returns) not exist\n',
    );
    // `shop` is no conclusion: the definition refuses it before anything is asked.
    assert.deepEqual(stage.executor.askedBy('smoke'), []);
    assert.match(stepOf(status, 'smoke').message ?? '', /expect/);
    assert.equal(stepOf(status, 'smoke').reason, 'Execute');
    assert.equal(status.status?.workflow?.appRevision, 'v7');
  });

  test('what an input feeds goes to the executor', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answer('purge', 'succeeded', 'purged', { provider: 'varnish' });
    const inputs = [
      { from: 'provider', parameterKey: 'inputs["the-provider"]' },
      { from: 'provider', parameterKey: 'inputs.a.b' },
      { from: 'provider', parameterKey: 'list[0]' },
    ];
    const properties = { ...smoke.properties, list: ['x', 'y'] };
    await stage.create([
      { ...purge, outputs: [{ name: 'provider', valueFrom: 'outputs.provider' }] },
      { ...smoke, type: 'any', inputs, properties },
    ]);
    const template = definition(
      'call: http.#HTTPDo & {$params: {method: "PUT", url: "http://aftersync.vela-system:8080/v1/executions/x", request: body: json.Marshal({origin: step: "smoke", with: parameter})}}\nwait: builtin.#ConditionalWait & {$params: continue: false}',
    );
    stage.engine.define('any', template.replace('import (', 'import (\n\t"encoding/json"'));
    await stage.until((application) => brief(application).length === 2);
    const [asked] = stage.executor.askedBy('smoke');
    const { inputs: fed, list } = (asked?.body.with ?? {}) as { readonly inputs?: unknown; readonly list?: unknown };
    assert.deepEqual(fed, { 'the-provider': 'varnish', a: { b: 'varnish' } });
    assert.deepEqual(list, ['varnish', 'y']);
  });

  test('an input that is not there yet keeps a step pending, with an id', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const inputs = [{ from: 'provider', parameterKey: 'message' }];
    const outputs = [{ name: 'provider', valueFrom: 'outputs.provider' }];
    const subSteps = [
      { ...report, inputs },
      { ...purge, outputs },
    ];
    await stage.create([{ name: 'both', type: 'step-group', subSteps }]);
    const waiting = stepOf(await stage.untilPhase('executing'), 'report');
    assert.equal(waiting.phase, 'pending');
    assert.equal(waiting.message, 'Pending on Input: provider');
    stage.executor.answer('purge', 'succeeded', 'purged', { provider: 'varnish' });
    await stage.runFor(longEnoughMs);
    const done = stepOf(await stage.untilPhase('succeeded'), 'report');
    assert.deepEqual([done.id, done.message], [waiting.id, 'varnish']);
  });
});

describe('groups', () => {
  test('sub-steps run at once with ids of their own; the group is done when all are', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const after = { ...report, name: 'then', dependsOn: ['purge'] };
    await stage.create([{ name: 'both', type: 'step-group', subSteps: [purge, smoke, after] }, report]);
    const running = await stage.untilPhase('executing');
    const ids = ['both', 'purge', 'smoke', 'then'].map((name) => stepOf(running, name).id);
    assert.equal(new Set(ids).size, 4);
    assert.equal(stepOf(running, 'then').message, 'Pending on DependsOn: purge');
    stage.executor.answer('purge', 'succeeded', 'purged');
    await stage.runFor(longEnoughMs);
    const half = await stage.until((application) => stepOf(application, 'then').phase === 'succeeded');
    assert.deepEqual(
      ['both', 'purge', 'smoke'].map((name) => stepOf(half, name).phase),
      ['running', 'succeeded', 'running'],
    );
    stage.executor.answer('smoke', 'failed', 'no');
    await stage.runFor(longEnoughMs);
    assert.deepEqual(brief(await stage.untilPhase('failed')), [
      ['both', 'failed', 'Action', undefined],
      ['report', 'skipped', 'Skip', undefined],
    ]);
  });

  test('a built-in request step sends at every tick at which it runs, and an empty answer is an error', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answerWith('/dispatch', { status: 204, body: '' });
    const properties = { url: `${stage.executor.url}/dispatch`, method: 'POST', body: { ref: 'main' } };
    await stage.create([{ name: 'dispatch', type: 'request', properties }]);
    await stage.until(({ status }) => status?.workflow?.steps !== undefined);
    await stage.runFor(3_000);
    assert.ok(stage.executor.askedBy('/dispatch').length >= 3);
    assert.equal(stepOf(await stage.read(), 'dispatch').reason, 'Execute');
  });
});

describe('operations', () => {
  test('suspend stands in the phase of the step; resume goes on with the same id', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const name = await stage.create([purge]);
    const { id } = stepOf(await stage.untilPhase('executing'), 'purge');
    await suspendWorkflow(cluster, name);
    assert.equal(stepOf(await stage.untilPhase('suspending'), 'purge').phase, 'suspending');
    const asked = stage.engine.calls.length;
    await stage.runFor(longEnoughMs);
    assert.ok(stage.engine.calls.length <= asked + 1, 'nothing is asked while it is suspended');
    await resumeWorkflow(cluster, name);
    const resumed = await stage.untilPhase('executing');
    assert.deepEqual([stepOf(resumed, 'purge').phase, stepOf(resumed, 'purge').id], ['running', id]);
  });

  test('a suspend step waits for resume, or for its duration', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const duration = { duration: '1m' };
    const name = await stage.create([
      { name: 'ask', type: 'suspend' },
      { name: 'wait', type: 'suspend', properties: duration },
      report,
    ]);
    await stage.untilPhase('suspending');
    await resumeWorkflow(cluster, name);
    await stage.until((application) => brief(application)[1]?.[1] === 'suspending');
    await stage.runFor(61_000);
    assert.deepEqual(
      brief(await stage.untilPhase('succeeded')).map(([, phase]) => phase),
      ['succeeded', 'succeeded', 'succeeded'],
    );
  });

  test('terminate ends the step, and the workflow is terminated', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const name = await stage.create([purge, report]);
    await stage.untilPhase('executing');
    await terminateWorkflow(cluster, name);
    const ended = await stage.untilPhase('terminated');
    assert.deepEqual(brief(ended), [
      ['purge', 'failed', 'Terminate', 'in progress'],
      ['report', 'skipped', 'Skip', undefined],
    ]);
    assert.equal(ended.status?.status, 'workflowTerminated');
  });

  test('restart runs all steps again, with other ids', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answer('purge', 'succeeded', 'purged');
    const name = await stage.create([purge]);
    const { id } = stepOf(await stage.untilPhase('succeeded'), 'purge');
    await restartWorkflow(cluster, name);
    await stage.until((application) => brief(application).length === 1 && stepOf(application, 'purge').id !== id);
    assert.equal(stage.executor.asked.length, 2);
  });

  test('an Application that is deleted takes what it applied with it', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const name = await stage.create([apply]);
    await stage.untilPhase('succeeded');
    await cluster.delete(name);
    await eventually(
      () => cluster.get(name),
      (found) => found === undefined,
    );
    const { namespace } = stage;
    assert.equal(await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', name: 'settings', namespace }), undefined);
  });
});

describe('revisions', () => {
  test('another spec is another revision, whose steps all run with new ids; the old spec takes the old revision back', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answer('purge', 'succeeded', 'purged');
    const name = await stage.create([purge]);
    const first = await stage.untilPhase('succeeded');
    const isAt =
      (revision: string) =>
      ({ status }: Application) =>
        status?.workflow?.appRevision === revision && status.workflow.status === 'succeeded';
    const other = { ...purge, properties: { tags: ['other'] } };
    await cluster.mergePatch(name, { spec: { workflow: { steps: [other] } } });
    const second = await stage.until(isAt('shop-v2'));
    assert.notEqual(stepOf(second, 'purge').id, stepOf(first, 'purge').id);
    assert.equal(second.status?.latestRevision?.revision, 2);
    await cluster.mergePatch(name, { spec: first.spec });
    const third = await stage.until(isAt('shop-v1'));
    assert.equal(stage.executor.asked.length, 3);
    assert.equal(new Set([first, second, third].map((application) => stepOf(application, 'purge').id)).size, 3);
  });

  test('with publishVersion a new version starts the workflow, and a new spec alone does not', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    stage.executor.answer('purge', 'succeeded', 'purged');
    const annotations = { 'app.oam.dev/publishVersion': 'v1.0' };
    const name = await stage.create([purge], { annotations });
    await stage.untilPhase('succeeded');
    await cluster.mergePatch(name, { spec: { workflow: { steps: [{ ...purge, properties: { tags: ['other'] } }] } } });
    const same = await stage.until(({ status, metadata }) => status?.observedGeneration === metadata.generation);
    assert.equal(same.status?.latestRevision?.name, 'shop-v1');
    assert.equal(stage.executor.asked.length, 1);
    await cluster.mergePatch(name, { metadata: { annotations: { 'app.oam.dev/publishVersion': 'v1.1' } } });
    const { status } = await stage.until((application) => application.status?.workflow?.appRevision === 'v1.1');
    assert.equal(status?.latestRevision?.name, 'shop-v2');
    assert.equal(stage.executor.asked.length, 2);
  });

  interface Spec {
    readonly application: Application;
    readonly compression?: { readonly type?: string; readonly data?: string };
  }
  const decode: Readonly<Record<'none' | 'gzip' | 'zstd', (spec: Spec) => Spec>> = {
    none: (spec) => spec,
    gzip: ({ compression }) => JSON.parse(gunzipSync(Buffer.from(compression?.data ?? '', 'base64')).toString()),
    zstd: ({ compression }) =>
      JSON.parse(zstdDecompressSync(Buffer.from(compression?.data ?? '', 'base64')).toString()),
  };
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    test(`the revision holds the Application as it was, compression ${compression}, plain at first`, async (t) => {
      const stage = await EngineStage.set(t, kubernetes, { compression });
      const read = () =>
        cluster.get<KubernetesObject & { readonly spec: Spec }>({
          apiVersion: 'core.oam.dev/v1beta1',
          kind: 'ApplicationRevision',
          name: 'shop-v1',
          namespace: stage.namespace,
        });
      await stage.create([purge]);
      await stage.untilPhase('executing');
      const plain = await read();
      assert.deepEqual(plain?.spec.compression, {});
      assert.deepEqual(plain.spec.application.spec.workflow?.steps, [purge]);
      await stage.runFor(1_000);
      const revision = await read();
      assert.ok(revision);
      assert.equal(revision.spec.compression?.type, compression === 'none' ? undefined : compression);
      assert.deepEqual(decode[compression](revision.spec).application, plain.spec.application);
      assert.equal(revision.spec.application.spec.components.length, compression === 'none' ? 1 : 0);
    });
  }

  test('an external Workflow is what runs, and stands in the revision', async (t) => {
    const stage = await EngineStage.set(t, kubernetes, { compression: 'none' });
    const { namespace } = stage;
    const metadata = { name: 'after', namespace };
    await cluster.put({
      apiVersion: 'core.oam.dev/v1alpha1',
      kind: 'Workflow',
      metadata,
      steps: [purge],
    } as KubernetesObject);
    const { spec, ...rest } = stage.application([]);
    await cluster.create({ ...rest, spec: { ...spec, workflow: { ref: 'after' } } } as KubernetesObject);
    await stage.untilPhase('executing');
    const revision = await cluster.get<
      KubernetesObject & { readonly spec: { readonly workflow: { readonly steps: unknown } } }
    >({
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'ApplicationRevision',
      name: 'shop-v1',
      namespace,
    });
    assert.deepEqual(revision?.spec.workflow.steps, [purge]);
  });
});

describe('definitions', () => {
  test('a version in the type is left to KubeVela; a definition in the namespace goes before all others', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    const own = definition('say: builtin.#Message & {$params: message: "of the namespace"}');
    stage.engine.define(`${stage.namespace}/print-message-in-status`, own);
    await stage.create([report, { ...purge, type: 'purge-cdn@v1.0.0' }]);
    const status = await stage.until((application) => brief(application).length === 2);
    assert.equal(stepOf(status, 'report').message, 'of the namespace');
    assert.equal(stepOf(status, 'purge').type, 'purge-cdn@v1.0.0');
    assert.equal(stage.executor.askedBy('purge').length, 1);
  });

  test('a definition that is upgraded is used from the next tick on, under the same id', async (t) => {
    const stage = await EngineStage.set(t, kubernetes);
    await stage.create([purge]);
    const { id } = stepOf(await stage.untilPhase('executing'), 'purge');
    stage.engine.define('purge-cdn', definition('say: builtin.#Message & {$params: message: "upgraded"}'));
    await stage.runFor(2_000);
    const { message, id: later } = stepOf(await stage.untilPhase('succeeded'), 'purge');
    assert.deepEqual([message, later], ['upgraded', id]);
  });

  test('a conflict is known by its status', async () => {
    await assert.rejects(
      cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } }),
      (error) => error instanceof ApiError && error.status === 409,
    );
  });
});
