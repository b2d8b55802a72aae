import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExecutionStatus } from '../../src/core/execution.ts';
import { startClusterWithExecutions } from '../store/kubernetes/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { startGitHubStandIn } from '../support/github/stand-in.ts';
import { runEvent, webhookDelivery } from '../support/github/webhook.ts';
import { Cluster } from '../support/kubevela/cluster.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { Chronicle, Replica } from './replicas.ts';

const place = { apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution', name: 'smoke', namespace: 'default' };
const webhookSecret = 'between GitHub and us';
const hourMs = 3_600_000;

type StepExecution = KubernetesObject & { readonly status?: ExecutionStatus & { readonly version?: number } };

test('a webhook that reaches another replica than the holder wakes the holder at once; a forged one nobody', async (t) => {
  const kubernetes = await startClusterWithExecutions([]);
  t.after(() => kubernetes.close());
  const repositories = [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }];
  const gitHub = await startGitHubStandIn({ repositories });
  t.after(() => gitHub.close());
  const chronicle = new Chronicle();
  const options = {
    kubernetes,
    gitHubUrl: gitHub.url,
    leaseMs: 60_000,
    sendTimeoutMs: 5_000,
    discoverForMs: 60_000,
    // So seldom that within this test nothing but a webhook makes anybody look.
    pollIntervalMs: hourMs,
    webhookSecret,
  };
  const replicas = [await Replica.describe(0, options, chronicle), await Replica.describe(1, options, chronicle)];
  t.after(() => Promise.all(replicas.map((replica) => replica.close())));
  await Promise.all(replicas.map((replica) => replica.start()));
  await fetch(`${replicas[0]?.url}/v1/executions/${place.name}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      step: 'trigger-github-action',
      with: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
    }),
  });
  const until = (isSo: (status: ExecutionStatus) => boolean) =>
    new Cluster(kubernetes).waitFor<StepExecution>(place, ({ status }) => status !== undefined && isSo(status));
  const { status: waiting } = await until(({ signals }) => signals.some((signal) => signal.startsWith('github:')));
  const { replica: holder } = chronicle.incarnations.get(String(waiting?.holder)) ?? {};
  const other = replicas.find(({ index }) => index !== holder);
  assert.ok(other !== undefined && waiting !== undefined);
  // What the holder has stored has reached its memory.
  await eventually(
    async () => (await (await fetch(`${other.url}/v1/executions/${place.name}`)).json()) as { message: string },
    ({ message }) => message === waiting.message,
  );

  const runId = Number(waiting.outputs.runId);
  gitHub.setRun(runId, { status: 'completed', conclusion: 'success' });
  const send = async (secret: string) => {
    const delivery = webhookDelivery(secret, 'workflow_run', runEvent(runId));
    return (await fetch(`${other.url}/v1/hooks/github`, { method: 'POST', ...delivery })).status;
  };
  assert.equal(await send('a guess'), 401);
  assert.equal((await until(() => true)).status?.version, waiting.version);
  const reads = () => gitHub.requests.filter(({ route }) => route === 'getRun').length;
  assert.equal(reads(), 1, 'the look right after the dispatch');

  assert.equal(await send(webhookSecret), 204);
  const { status: ended } = await until(({ state }) => state === 'succeeded');
  assert.equal(ended?.outputs.conclusion, 'success');
  assert.equal(ended?.holder, waiting.holder, 'the holder has gone on');
  assert.equal(ended?.signal, undefined);
  assert.equal(ended?.version, (waiting.version ?? 0) + 2, 'a write to wake it, and its own');
  assert.equal(reads(), 2);
});
