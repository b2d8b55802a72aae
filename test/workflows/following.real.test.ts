import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { ExecutorStandIn } from '../support/kubevela/executor-stand-in.ts';
import type { Application, WorkflowStep } from '../support/kubevela/objects.ts';
import {
  restartWorkflow,
  resumeWorkflow,
  suspendWorkflow,
  terminateWorkflow,
} from '../support/kubevela/workflow-operations.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { phasesOf, type Subject, stepOf, WorkflowStage, workflowOf } from './stage.ts';

let stage: WorkflowStage;
before(async () => {
  stage = await WorkflowStage.set({ namespace: 'default' });
});
afterEach(() => stage.gitHub.reset());
after(async () => {
  await stage.close();
  assert.deepEqual(stage.errors, []);
});

/** Less than our server waits for a status write. */
const wakeWithinMs = 200;

const smoke: WorkflowStep = {
  name: 'smoke',
  type: 'trigger-github-action',
  properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};
const purge: WorkflowStep = { name: 'purge', type: 'purge-cdn', properties: { tags: ['any'] } };

function application(name: string, steps: readonly WorkflowStep[], namespace = 'default'): Application {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: {} };
  const components = [
    { name, type: 'k8s-objects', properties: { objects: [object] } },
  ] as unknown as Application['spec']['components'];
  const metadata = { name, namespace };
  return {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata,
    spec: { components, workflow: { steps } },
  };
}

/** Runs stay under way until they are told to end. */
function holdRuns(): void {
  stage.gitHub.workflow('acme/shop', 'smoke.yml').plan = [{ status: 'in_progress' }];
}

async function underWay(subject: Subject<Application>): Promise<number> {
  await subject.until((object) => /in progress/.test(stepOf(object, 'smoke').message ?? ''), 'smoke');
  return stage.runsOf('smoke.yml').at(-1)?.id ?? assert.fail('no run');
}

function endRun(id: number, conclusion = 'success'): void {
  stage.gitHub.setRun(id, { status: 'completed', conclusion });
}

async function endOf(id: string, namespace = 'default'): Promise<string> {
  const final = await eventually(
    () => stage.execution(id, namespace),
    ({ state }) => state === 'cancelled' || state === 'failed' || state === 'succeeded',
  );
  return `${final.state} ${final.reason ?? ''}`;
}

describe('what becomes of the workflow', () => {
  test('a new revision takes the place of the old one: its run is left alone, its execution ends, another run starts', async () => {
    holdRuns();
    const subject = await stage.apply(application('revised', [smoke]));
    const first = await underWay(subject);
    const { id = '' } = stepOf(await subject.read(), 'smoke');
    await stage.cluster.mergePatch(subject.name, { spec: { workflow: { steps: [smoke, purge] } } });
    assert.equal(await endOf(id), 'cancelled Superseded');
    await subject.until(
      (object) => workflowOf(object).appRevision === 'revised-v2' && stage.runsOf('smoke.yml').length === 2,
    );
    endRun(await underWay(subject));
    assert.deepEqual(phasesOf(await subject.ended('revised-v2')), { smoke: 'succeeded', purge: 'succeeded' });
    const states = stage.runsOf('smoke.yml').map((run) => [run.id === first, run.status]);
    assert.deepEqual(states, [
      [true, 'in_progress'],
      [false, 'completed'],
    ]);
  });

  test('a restart runs all steps again, each with another execution', async () => {
    const subject = await stage.apply(application('restarted', [smoke]));
    const { id } = stepOf(await subject.ended(), 'smoke');
    await restartWorkflow(stage.cluster, subject.name);
    await subject.until((object) => stepOf(object, 'smoke').id !== id && workflowOf(object).finished === true, 'smoke');
    assert.equal(stage.runsOf('smoke.yml').length, 2);
  });

  test('what is terminated is cancelled, and nothing is sent any more', async () => {
    await stage.publish('/terminated', 'any');
    const waiting = {
      ...purge,
      properties: {
        ...purge.properties,
        readyWhen: { object: { kind: 'ConfigMap', name: 'later' }, waitFor: 'exists' },
      },
    };
    const subject = await stage.apply(application('ended', [waiting]));
    const { id = '' } = stepOf(
      await subject.until((object) => stepOf(object, 'purge').phase === 'running', 'purge'),
      'purge',
    );
    await eventually(
      () => stage.execution(id),
      ({ state }) => state === 'running',
    );
    await terminateWorkflow(stage.cluster, subject.name);
    assert.equal(await endOf(id), 'cancelled OriginGone');
    await stage.cluster.create({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'later', namespace: 'default' },
    });
    assert.equal(await stage.visit('/terminated'), 'hit');
    assert.equal(workflowOf(await subject.ended()).status, 'terminated');
  });

  test('what is deleted is cancelled', async () => {
    holdRuns();
    const subject = await stage.apply(application('deleted', [smoke]));
    await underWay(subject);
    const { id = '' } = stepOf(await subject.read(), 'smoke');
    await stage.cluster.delete(subject.name);
    assert.equal(await endOf(id), 'cancelled OriginGone');
  });

  test('a step that is over its own timeout in the workflow has failed for us too', async () => {
    holdRuns();
    const clock = new ManualClock();
    const engine = await stage.engineIn('late', { clock });
    const subject = await stage.apply(application('late', [{ ...smoke, timeout: '20s' }], 'late'));
    const { id = '' } = stepOf(await subject.until(() => true, 'smoke'), 'smoke');
    await eventually(
      () => stage.execution(id, 'late'),
      ({ message = '' }) => /in progress/.test(message),
    );
    await engine.runFor(clock, 30_000);
    assert.equal(await endOf(id, 'late'), 'failed OriginTimedOut');
    assert.equal(stepOf(await subject.ended(), 'smoke').reason, 'Timeout');
  });

  test('a suspended workflow changes nothing: the run ends meanwhile, and resume goes on with it', async () => {
    holdRuns();
    const subject = await stage.apply(application('suspended', [smoke]));
    const run = await underWay(subject);
    const { id = '' } = stepOf(await subject.read(), 'smoke');
    await suspendWorkflow(stage.cluster, subject.name);
    await subject.until((object) => stepOf(object, 'smoke').phase === 'suspending');
    endRun(run);
    assert.equal(await endOf(id), 'succeeded ');
    await resumeWorkflow(stage.cluster, subject.name);
    assert.deepEqual(phasesOf(await subject.ended()), { smoke: 'succeeded' });
    assert.equal(stage.runsOf('smoke.yml').length, 1);
  });

  test('two Applications of one name in two namespaces have nothing to do with each other', async () => {
    await stage.engineIn('other');
    const onChange = { key: 'same' };
    const step = { ...smoke, properties: { ...smoke.properties, onChange } };
    const here = await stage.apply(application('twin', [step]));
    await here.ended();
    const there = await stage.apply(application('twin', [step], 'other'));
    await there.ended();
    assert.equal(stage.runsOf('smoke.yml').length, 2);
  });
});

describe('ticks', () => {
  test('in an engine whose time stands still, a workflow goes on by our wakes alone', async () => {
    const clock = new ManualClock();
    const engine = await stage.engineIn('still', { clock });
    await stage.publish('/still', 'any');
    const read = { name: 'read', type: 'aftersync-read-object', properties: { kind: 'ConfigMap', name: 'still' } };
    const apply = { name: 'apply', type: 'apply-component', properties: { component: 'still' } };
    const subject = await stage.apply(application('still', [apply, read, smoke, purge], 'still'));
    const ended = await subject.ended();
    assert.deepEqual(phasesOf(ended), {
      apply: 'succeeded',
      read: 'succeeded',
      smoke: 'succeeded',
      purge: 'succeeded',
    });
    assert.equal(await stage.visit('/still'), 'miss');
    assert.equal(engine.conflicts, 0);
  });

  test('a step next to ours that KubeVela repeats after a conflict is not repeated because of our wakes', async (t) => {
    holdRuns();
    const counter = await ExecutorStandIn.start();
    t.after(() => counter[Symbol.asyncDispose]());
    counter.answerWith('/gate', { body: 'not yet, so the engine asks again by itself' });
    counter.answer('/count', 'any', 'counted');
    let endedDuringWrites = 0;
    // While the tick that counted is about to be written, our run ends, and we have every reason to wake.
    const engine = await stage.engineIn('beside', {
      beforeWrite: async () => {
        const [run] = stage.runsOf('smoke.yml');
        if (counter.askedBy('/count').length === 0 || run === undefined || run.status === 'completed') return;
        endedDuringWrites += 1;
        endRun(run.id);
        await eventually(
          () => stage.executions('beside'),
          (all) => all.every(({ state }) => state === 'succeeded'),
        );
        // A wake that does not wait for this write would come now.
        await delay(wakeWithinMs);
      },
    });
    const request = (name: string): WorkflowStep => {
      return { name, type: 'request', properties: { url: `${counter.url}/${name}`, method: 'POST' } };
    };
    const subSteps = [smoke, request('gate'), { ...request('count'), dependsOn: ['gate'] }];
    const subject = await stage.apply(application('beside', [{ name: 'all', type: 'step-group', subSteps }], 'beside'));
    await underWay(subject);
    counter.answer('/gate', 'any', 'open');
    assert.equal(workflowOf(await subject.ended()).status, 'succeeded');
    assert.equal(endedDuringWrites, 1);
    assert.equal(counter.askedBy('/count').length, 1);
    assert.equal(engine.conflicts, 0);
  });

  test('of many steps at once, whose first status write may be lost, none acts twice', async (t) => {
    // Two cores that have other work besides do not get through all 360: AFTERSYNC_TEST_STEPS=360 asks for them.
    const mostSteps = Number(process.env.AFTERSYNC_TEST_STEPS ?? 120);
    const seed = chooseSeed();
    t.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    let writes = 0;
    const engine = await stage.engineIn('lossy', {
      version: '1.11',
      workers: 16,
      losesFirstWrite: () => {
        writes += 1;
        return writes === 1 || random.chance(0.3);
      },
    });
    const dispatching = ['a', 'b', 'c', 'd'].map((name) => ({ ...smoke, name }));
    const subSteps = [...dispatching, purge, { ...purge, name: 'purge-again' }];
    const names = Array.from({ length: mostSteps / subSteps.length }, (_, index) => `lossy-${index}`);
    const group: WorkflowStep = { name: 'all', type: 'step-group', subSteps };
    const subjects = await Promise.all(names.map((name) => stage.apply(application(name, [group], 'lossy'))));
    for (const subject of subjects) {
      assert.deepEqual(new Set(Object.values(phasesOf(await subject.ended()))), new Set(['succeeded']));
    }
    assert.equal(stage.runsOf('smoke.yml').length, names.length * dispatching.length);
    const ids = new Set(engine.calls.map(({ id }) => id));
    t.diagnostic(`${ids.size} ids for ${mostSteps} steps, ${engine.calls.length} calls`);
    assert.ok(ids.size > mostSteps, 'some steps came with two ids');
  });
});
