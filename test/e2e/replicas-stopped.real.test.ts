import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ExecutionStatus } from '../../src/core/execution.ts';
import { startClusterWithExecutions } from '../store/kubernetes/cluster.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../support/kubevela/cluster.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { Chronicle, Replica } from './replicas.ts';
import type { StopPoint } from './server-program.ts';

const namespace = 'default';
const type = { apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution' };
const program = fileURLToPath(new URL('./server-program.ts', import.meta.url));

type StepExecution = KubernetesObject & { readonly status?: ExecutionStatus };

let kubernetes: Kubernetes;
let gitHub: GitHubStandIn;
before(async () => {
  kubernetes = await startClusterWithExecutions([]);
  gitHub = await startGitHubStandIn({
    repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }],
  });
});
after(async () => {
  await gitHub.close();
  await kubernetes.close();
});

describe('a holder that is stopped between intent and send, past its lease, and then goes on', () => {
  for (const stopAt of ['after-intent', 'before-send'] satisfies StopPoint[]) {
    test(`does not send (${stopAt})`, async (t) => {
      const chronicle = new Chronicle();
      const options = {
        kubernetes,
        gitHubUrl: gitHub.url,
        // Short, since it is waited for, but no busy machine lets it lapse before its time.
        leaseMs: 4_000,
        sendTimeoutMs: 500,
        discoverForMs: 1_000,
        pollIntervalMs: 100,
      };
      const stopping = { ...options, program: (config: string) => [program, JSON.stringify({ config, stopAt })] };
      const [first, second] = [
        await Replica.describe(0, stopping, chronicle),
        await Replica.describe(1, options, chronicle),
      ];
      t.after(() => Promise.all([first.close(), second.close()]));
      await first.start();
      const body = {
        step: 'trigger-github-action',
        with: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
      };
      // It may stop before it has answered.
      void fetch(`${first.url}/v1/executions/${stopAt}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }).catch(() => undefined);
      const until = (isSo: (status: ExecutionStatus) => boolean) =>
        new Cluster(kubernetes).waitFor<StepExecution>(
          { ...type, name: stopAt, namespace },
          ({ status }) => status !== undefined && isSo(status),
        );
      const intended = await until(({ effects }) => effects.length > 0);
      await second.start();
      const ended = await until(({ state }) => state === 'failed');
      assert.notEqual(ended.status?.holder, intended.status?.holder);
      assert.equal(ended.status?.reason, 'Uncertain');

      first.resume();
      const holder = String(intended.status?.holder);
      await chronicle.heard((line) => line.msg.includes('has lapsed') && line.holder === holder);
      await chronicle.heard((line) => line.replica === 0 && line.msg === 'the execution was lost to this advance');
      const sent = gitHub.requests.filter(({ route }) => route === 'dispatch');
      assert.deepEqual(sent, []);
      assert.deepEqual((await until(() => true)).status, ended.status, 'nor does it write');
    });
  }
});
