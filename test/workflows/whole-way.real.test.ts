import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import type { Application, KubernetesObject, WorkflowStep } from '../support/kubevela/objects.ts';
import { named, phasesOf, readExample, stepOf, WorkflowStage, workflowOf } from './stage.ts';

let stage: WorkflowStage;
before(async () => {
  stage = await WorkflowStage.set({ version: '1.11' });
});
afterEach(() => stage.gitHub.reset());
after(async () => {
  await stage.close();
  assert.deepEqual(stage.engine.errors, []);
});

const example = readExample<Application>('04-deploy-test-purge');
const allSucceeded = {
  apply: 'succeeded',
  'rolled-out': 'succeeded',
  acceptance: 'succeeded',
  purge: 'succeeded',
  report: 'succeeded',
};

describe('apply, read-object, trigger-github-action and purge-cdn', () => {
  test('a test that fails leaves the pages as they are; the next revision goes the whole way', async () => {
    await stage.publish('/toys', 'toys');
    stage.gitHub.workflow('acme/shop', 'acceptance.yml').plan = [{ status: 'completed', conclusion: 'failure' }];
    const toys = await stage.apply(named(example, 'toys'));
    const failed = await toys.ended('toys-v1');
    assert.deepEqual(phasesOf(failed), {
      ...allSucceeded,
      acceptance: 'failed',
      purge: 'skipped',
      report: 'skipped',
    });
    assert.equal(workflowOf(failed).status, 'failed');
    assert.equal(await stage.visit('/toys'), 'hit');

    stage.gitHub.reset();
    const image = { image: 'nginx:1.30-alpine' };
    const components = [{ name: 'toys', type: 'webservice', properties: image }];
    await stage.cluster.mergePatch(toys.name, { spec: { components } });
    assert.deepEqual(phasesOf(await toys.ended('toys-v2')), allSucceeded);
    assert.deepEqual(
      stage.runsOf('acceptance.yml').map((run) => run.inputs),
      [{ ...image, generation: '2' }],
    );
    assert.equal(await stage.visit('/toys'), 'miss');
  });

  test('an executor that is killed while the run is under way takes it up again', async () => {
    await stage.publish('/books', 'books');
    stage.gitHub.workflow('acme/shop', 'acceptance.yml').plan = [{ status: 'in_progress' }];
    const books = await stage.apply(named(example, 'books'));
    await books.until((object) => /in progress/.test(stepOf(object, 'acceptance').message ?? ''), 'acceptance');
    await stage.executor.kill();
    const [run] = stage.runsOf('acceptance.yml');
    stage.gitHub.setRun(run?.id ?? 0, { status: 'completed', conclusion: 'success' });
    await stage.executor.start();
    assert.deepEqual(phasesOf(await books.ended()), allSucceeded);
    assert.equal(stage.runsOf('acceptance.yml').length, 1);
    assert.equal(await stage.visit('/books'), 'miss');
  });

  test('an executor that is killed before it hears of its run finds it, and starts no other', async () => {
    stage.gitHub.fault('dispatch', { kind: 'accept-then-hang' });
    const games = await stage.apply(named(example, 'games'));
    await stage.gitHub.waitForRequest(({ route }) => route === 'dispatch');
    await stage.executor.kill();
    await stage.executor.start();
    assert.deepEqual(phasesOf(await games.ended()), allSucceeded);
    assert.equal(stage.runsOf('acceptance.yml').length, 1);
  });

  test('an executor that is away when the workflow comes is asked again', async () => {
    await stage.executor.kill();
    const films = await stage.apply(named(example, 'films'));
    const waiting = await films.until((object) => stepOf(object, 'rolled-out').phase === 'failed', 'rolled-out');
    assert.equal(stepOf(waiting, 'rolled-out').reason, 'Execute');
    await stage.executor.start();
    assert.deepEqual(phasesOf(await films.ended()), allSucceeded);
  });
});

describe('what every step takes', () => {
  const trigger = (name: string, properties: JsonObject): WorkflowStep => {
    const run = { repository: 'acme/shop', workflow: 'acceptance.yml', ref: 'main' };
    return { name, type: 'trigger-github-action', properties: { ...run, ...properties } };
  };

  function apply(name: string, steps: readonly WorkflowStep[]) {
    return stage.apply<Application>({
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'Application',
      metadata: { name, namespace: 'default' },
      spec: { components: [], workflow: { steps } },
    });
  }

  test('failurePolicy ignore: the workflow goes on with every output, which the steps that failed do not have', async () => {
    stage.gitHub.workflow('acme/shop', 'acceptance.yml').plan = [{ status: 'completed', conclusion: 'failure' }];
    const ignore = { failurePolicy: 'ignore' };
    const read = { ...ignore, kind: 'ConfigMap', name: 'nowhere', select: { colour: '.data.colour' } };
    const elsewhere = { ...ignore, urls: ['https://elsewhere.example.com/'] };
    const steps: WorkflowStep[] = [
      { ...trigger('failing', ignore), outputs: outputs('conclusion', 'runUrl') },
      { ...trigger('denied', { ...ignore, repository: 'elsewhere/shop' }), outputs: outputs('runUrl', 'runId') },
      { name: 'missing', type: 'aftersync-read-object', properties: read, outputs: outputs('colour', 'err', 'value') },
      { name: 'purge', type: 'purge-cdn', properties: elsewhere, outputs: outputs('purged', 'failed', 'failedCount') },
      {
        name: 'report',
        type: 'print-message-in-status',
        inputs: [{ from: 'conclusion', parameterKey: 'message' }],
      },
    ];
    const ended = await (await apply('ignored', steps)).ended();
    assert.equal(workflowOf(ended).status, 'succeeded');
    const names = ['failing', 'denied', 'missing', 'purge'];
    assert.deepEqual(phasesOf(ended), Object.fromEntries([...names, 'report'].map((name) => [name, 'succeeded'])));
    const ends = await Promise.all(names.map((name) => stage.execution(stepOf(ended, name).id ?? '')));
    assert.deepEqual(
      ends.map(({ state, reason }) => [state, reason]),
      ['UnexpectedResult', 'Denied', 'NotFound', 'Denied'].map((reason) => ['failed', reason]),
    );
    // KubeVela would tell of an output that is missing instead.
    assert.deepEqual(
      names.map((name) => stepOf(ended, name).message),
      ends.map(({ message }) => message),
    );
    assert.equal(stepOf(ended, 'report').message, 'failure');
  });

  test('readyWhen: the step begins once the object is as it should be, and not at all where it is not in time', async () => {
    await stage.publish('/late', 'late');
    const gate = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'gate', namespace: 'default' } };
    await stage.cluster.create<KubernetesObject>({ ...gate, data: { open: 'no' } } as KubernetesObject);
    const { apiVersion: _, kind, metadata } = gate;
    const waitFor = { jsonPath: '.data.open', equals: 'yes' };
    const readyWhen = { object: { kind, name: metadata.name }, waitFor };
    const begun = await apply('ready', [trigger('smoke', { readyWhen })]);
    await begun.until((object) => /ConfigMap default\/gate/.test(stepOf(object, 'smoke').message ?? ''), 'smoke');

    const late = { name: 'purge', type: 'purge-cdn', properties: { tags: ['late'], timeout: '1s', readyWhen } };
    const failed = await (await apply('late', [late])).ended();
    assert.equal((await stage.execution(stepOf(failed, 'purge').id ?? '')).reason, 'TimedOut');
    assert.match(stepOf(failed, 'purge').message ?? '', /not done within 1s/);
    assert.equal(await stage.visit('/late'), 'hit');

    assert.deepEqual(stage.runsOf('acceptance.yml'), []);
    await stage.cluster.mergePatch({ apiVersion: 'v1', kind, ...metadata }, { data: { open: 'yes' } });
    assert.deepEqual(phasesOf(await begun.ended()), { smoke: 'succeeded' });
    assert.equal(stage.runsOf('acceptance.yml').length, 1);
  });
});

function outputs(...names: readonly string[]): NonNullable<WorkflowStep['outputs']> {
  return names.map((name) => ({ name, valueFrom: `outputs.${name}` }));
}
