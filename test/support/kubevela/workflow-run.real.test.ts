import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Kubernetes, startKubernetes } from '../kubernetes/start-kubernetes.ts';
import { Cluster, nameOf } from './cluster.ts';
import { installKubeVela, installWorkflowRuns } from './crds.ts';
import { brief, EngineStage, stepOf } from './engine-stage.ts';
import type { KubernetesObject, WorkflowRun, WorkflowStep } from './objects.ts';

let kubernetes: Kubernetes;
let cluster: Cluster;
before(async () => {
  kubernetes = await startKubernetes();
  cluster = new Cluster(kubernetes);
  await installKubeVela(cluster, 'without-workflow-runs');
});
after(() => kubernetes.close());

const type = { apiVersion: 'core.oam.dev/v1alpha1', kind: 'WorkflowRun' };
const purge: WorkflowStep = { name: 'purge', type: 'purge-cdn', properties: { tags: ['web'] } };
const report: WorkflowStep = {
  name: 'report',
  type: 'print-message-in-status',
  inputs: [{ from: 'context.color', parameterKey: 'message' }],
};

async function createRun(namespace: string, spec: WorkflowRun['spec']) {
  const run = await cluster.create<WorkflowRun>({
    ...type,
    metadata: { name: 'nightly', namespace },
    spec,
  } as WorkflowRun);
  return (isSo: (run: WorkflowRun) => boolean) => cluster.waitFor<WorkflowRun>(nameOf(run), isSo);
}

test('a cluster without their CustomResourceDefinition serves Applications all the same', async (t) => {
  const stage = await EngineStage.set(t, kubernetes);
  await stage.create([purge]);
  await stage.untilPhase('executing');
  await assert.rejects(cluster.create({ ...type, metadata: { name: 'nightly', namespace: 'default' } }), {
    status: 404,
  });
});

test('a WorkflowRun runs its steps with its own context, and ends for good', async (t) => {
  await installWorkflowRuns(cluster);
  const stage = await EngineStage.set(t, kubernetes, { watchesWorkflowRuns: true });
  const until = await createRun(stage.namespace, {
    context: { color: 'red' },
    workflowSpec: { steps: [purge, report] },
  });
  const running = await until(({ status }) => status?.status === 'executing');
  const { id, phase, reason } = stepOf(running, 'purge');
  assert.deepEqual([phase, reason], ['running', 'Wait']);
  assert.equal(stage.executor.asked[0]?.id, id);
  const { origin } = stage.executor.asked[0]?.body ?? {};
  const { namespace } = stage;
  assert.deepEqual(origin, { kind: 'WorkflowRun', namespace, name: 'nightly', step: 'purge', sessionID: id });

  stage.executor.answer('purge', 'succeeded', 'purged');
  await stage.runFor(70_000);
  const ended = await until(({ status }) => status?.finished === true);
  assert.equal(ended.status?.status, 'succeeded');
  assert.deepEqual(brief(ended), [
    ['purge', 'succeeded', undefined, 'purged'],
    ['report', 'succeeded', undefined, 'red'],
  ]);
});

test('a WorkflowRun by reference runs the steps of the Workflow', async (t) => {
  await installWorkflowRuns(cluster);
  const stage = await EngineStage.set(t, kubernetes, { watchesWorkflowRuns: true });
  stage.executor.answer('purge', 'failed', 'no zone');
  const metadata = { name: 'after', namespace: stage.namespace };
  await cluster.put({ ...type, kind: 'Workflow', metadata, steps: [purge] } as KubernetesObject);
  const until = await createRun(stage.namespace, { workflowRef: 'after' });
  const { status } = await until((run) => run.status?.finished === true);
  assert.equal(status?.status, 'failed');
});
