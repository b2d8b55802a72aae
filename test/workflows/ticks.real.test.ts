import assert from 'node:assert/strict';
import { after, afterEach, before, type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { ExecutorStandIn } from '../support/kubevela/executor-stand-in.ts';
import type { Application, WorkflowStep } from '../support/kubevela/objects.ts';
import { WorkflowEngine, type WorkflowEngineOptions } from '../support/kubevela/workflow-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { phasesOf, type Subject, stepOf, WorkflowStage } from './stage.ts';

const tenMinutesMs = 600_000;

let stage: WorkflowStage;
before(async () => {
  stage = await WorkflowStage.set({ namespace: 'default' });
});
afterEach(() => stage.gitHub.reset());
after(async () => {
  await stage.close();
  assert.deepEqual(stage.engine.errors, []);
});

const smoke: WorkflowStep = {
  name: 'smoke',
  type: 'trigger-github-action',
  properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};

/** An Application of one step in a namespace whose engine has a clock of its own; it stands while our server does what it does. */
async function begin(
  t: TestContext,
  namespace: string,
  step: WorkflowStep,
  options: Partial<WorkflowEngineOptions> = {},
) {
  await stage.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  // KubeVela counts its intervals from whole seconds: the second tick comes 600 ms after the first.
  const clock = new ManualClock(Date.UTC(2026, 10, 21, 2, 0, 0, 400));
  const engine = await WorkflowEngine.start({
    kubernetes: stage.kubernetes,
    version: '1.10',
    services: { 'http://aftersync.vela-system:8080': stage.executor.url },
    watchesWorkflowRuns: false,
    clock,
    namespace,
    ...options,
  });
  t.after(async () => {
    await engine.close();
    assert.deepEqual(engine.errors, []);
  });
  const spec = { components: [], workflow: { steps: [step] } };
  const subject = await stage.apply<Application>({
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name: 'shop', namespace },
    spec,
  });
  const { id = '' } = stepOf(await subject.until(() => true, step.name), step.name);
  return { clock, engine, subject, id, pass: (spanMs: number) => engine.runFor(clock, spanMs) };
}

async function untilSaid(id: string, namespace: string, words: RegExp, status?: string): Promise<void> {
  await eventually(
    () => stage.execution(id, namespace),
    ({ message = '', outputs }) => words.test(message) && (status === undefined || outputs?.status === status),
  );
}

async function assertEndsWithNextTick(
  { engine, subject }: { engine: WorkflowEngine; subject: Subject<Application> },
  end: () => void | Promise<void>,
) {
  const before = engine.calls.length;
  await end();
  assert.deepEqual(new Set(Object.values(phasesOf(await subject.ended()))), new Set(['succeeded']));
  assert.equal(engine.calls.length, before + 1);
}

test('a run that is queued, then in progress, for ten minutes in all costs KubeVela 21 ticks, and one to see its end', async (t) => {
  stage.gitHub.workflow('acme/shop', 'smoke.yml').plan = [{ status: 'queued' }];
  const run = await begin(t, 'run', smoke);
  await untilSaid(run.id, 'run', /queued or in progress/);
  const runId = stage.runsOf('smoke.yml')[0]?.id ?? assert.fail('no run');
  await run.pass(20_000);
  stage.gitHub.setRun(runId, { status: 'in_progress' });
  await untilSaid(run.id, 'run', /queued or in progress/, 'in_progress');
  await run.pass(tenMinutesMs - 20_000);
  assert.equal(run.engine.calls.length, 21);
  await assertEndsWithNextTick(run, () => stage.gitHub.setRun(runId, { status: 'completed', conclusion: 'success' }));
});

test('a Deployment whose roll-out makes progress for ten minutes costs KubeVela at most 21 ticks, and one to see its end', async (t) => {
  stage.controller.hold('slow');
  const read: WorkflowStep = {
    name: 'read',
    type: 'aftersync-read-object',
    properties: { kind: 'Deployment', name: 'slow', waitFor: 'rolledOut' },
  };
  const roll = await begin(t, 'roll-out', read);
  const labels = { app: 'slow' };
  const metadata = { name: 'slow', namespace: 'roll-out' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'slow:1' }] } };
  const spec = { replicas: 100, selector: { matchLabels: labels }, template };
  const type = { apiVersion: 'apps/v1', kind: 'Deployment' };
  const deployment = { ...type, metadata, spec };
  await stage.cluster.create(deployment);
  await untilSaid(roll.id, 'roll-out', /to be rolled out/);
  for (let minute = 1; minute <= 10; minute++) {
    const updatedReplicas = minute * 9;
    const status = { observedGeneration: 1, replicas: updatedReplicas, updatedReplicas };
    await stage.cluster.mergePatchStatus({ ...type, ...metadata }, { status });
    await roll.pass(tenMinutesMs / 10);
  }
  assert.ok(roll.engine.calls.length <= 21, `${roll.engine.calls.length} ticks`);
  await assertEndsWithNextTick(roll, () => stage.controller.release('slow'));
});

test('a step that waits for ten minutes with a message that changes costs KubeVela 600 ticks', async (t) => {
  const stub = await ExecutorStandIn.start();
  t.after(() => stub[Symbol.asyncDispose]());
  let asked = 0;
  const { engine, pass } = await begin(t, 'changing', smoke, {
    services: { 'http://aftersync.vela-system:8080': stub.url },
    // Any change will do; with two texts CUE evaluates two answers instead of 600.
    beforeWrite: async () => {
      asked += 1;
      stub.answer('smoke', 'running', `${asked % 2} minutes have passed`);
    },
  });
  await pass(tenMinutesMs);
  assert.equal(engine.calls.length, 601);
});

test('a step of 300 ms costs KubeVela 2 ticks', async (t) => {
  stage.gitHub.workflow('acme/shop', 'smoke.yml').plan = [{ status: 'in_progress' }];
  const short = await begin(t, 'short', smoke);
  await untilSaid(short.id, 'short', /queued or in progress/);
  await short.pass(300);
  assert.equal(short.engine.calls.length, 1);
  const runId = stage.runsOf('smoke.yml')[0]?.id ?? assert.fail('no run');
  await assertEndsWithNextTick(short, () => stage.gitHub.setRun(runId, { status: 'completed', conclusion: 'success' }));
});
