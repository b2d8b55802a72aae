import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Application } from '../support/kubevela/objects.ts';
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
