import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { type ExecutionStatus, isFinal } from '../../src/core/execution.ts';
import { installStepExecutions } from '../store/kubernetes/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Application, KubernetesObject } from '../support/kubevela/objects.ts';
import type { Surroundings } from '../workflows/executor.ts';
import { stepOf, WorkflowStage } from '../workflows/stage.ts';

type StepExecution = KubernetesObject & { readonly status?: ExecutionStatus };

const type = { apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution' };
const namespace = 'default';

let stage: WorkflowStage;
before(async () => {
  stage = await WorkflowStage.set({ namespace, configure });
});
afterEach(() => stage.gitHub.reset());
after(() => stage.close());

async function configure(port: number, { gitHubUrl, kubernetes }: Surroundings): Promise<string> {
  await installStepExecutions(kubernetes);
  return `server: { address: "127.0.0.1:${port}" }
store: { type: kubernetes, leaseDuration: 1m }
log: { level: warn }
kubevela: {}
connections:
  - name: github
    type: github
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: ./github-token }
    pollInterval: 100ms
  - name: cluster
    type: kubernetes
    kubeconfigFile: ${kubernetes.adminKubeconfigPath}
    allow: { namespaces: ["*"] }
`;
}

function application(name: string, onStop: 'leave' | 'cancel'): Application {
  const properties = { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main', onStop };
  const steps = [{ name: 'smoke', type: 'trigger-github-action', properties }];
  return {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name, namespace },
    spec: { components: [], workflow: { steps } },
  };
}

describe('an Application that is deleted while a POST for it is open', () => {
  for (const [onStop, conclusion] of [
    ['leave', null],
    ['cancel', 'cancelled'],
  ] as const) {
    test(`leaves no record, and of its run what onStop says (${onStop})`, async (t) => {
      stage.gitHub.workflow('acme/shop', 'smoke.yml').plan = [{ status: 'in_progress' }];
      stage.gitHub.fault('dispatch', { kind: 'slow', forMs: 1_500 });
      const subject = await stage.apply(application(`deleted-${onStop}`, onStop));
      await stage.gitHub.waitForRequest(({ route }) => route === 'dispatch');
      const { id = '' } = stepOf(await subject.until(() => true, 'smoke'), 'smoke');
      const { promise: ended, resolve: end } = Promise.withResolvers<ExecutionStatus>();
      // The end stands for an instant only: it is watched for before anything can bring it about.
      const see = ({ object: { metadata, status } }: { readonly object: StepExecution }) => {
        if (metadata.name === id && status !== undefined && isFinal(status.state)) end(status);
      };
      await stage.cluster.watch<StepExecution>(type, see, t.signal);
      await stage.cluster.delete(subject.name);
      const status = await ended;
      assert.equal(`${status.state} ${status.reason}`, 'cancelled OriginGone');
      const [run, ...others] = stage.runsOf('smoke.yml');
      assert.deepEqual(others, []);
      // The answer to the POST was waited for: without it nobody knows the run.
      assert.equal(status.outputs.runId, run?.id);
      assert.equal(run?.conclusion, conclusion);
      await eventually(
        () => stage.cluster.get({ ...type, name: id, namespace }),
        (record) => record === undefined,
      );
    });
  }
});
