import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Rejected } from '../../../src/core/effect.ts';
import type { ExecutionRequest } from '../../../src/core/execution.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { KubernetesClient } from '../../../src/providers/kubernetes/kubernetes-client.ts';
import { accountToken, apply, kubeconfigOf, writeStatus } from '../../providers/kubernetes/cluster-objects.ts';
import { neverAborted, openClient } from '../../providers/kubernetes/open-client.ts';
import { eventually } from '../../support/eventually.ts';
import { type Kubernetes, startKubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../../support/kubevela/cluster.ts';
import { installKubeVela, installWorkflowRuns } from '../../support/kubevela/crds.ts';
import {
  applicationObjects,
  declaredSmoke,
  execution,
  ProofWorkbench,
  type Scene,
  sessionID,
  smokeRequest,
} from './proof-workbench.ts';

const v1beta1 = '/apis/core.oam.dev/v1beta1/namespaces';
const v1alpha1 = '/apis/core.oam.dev/v1alpha1/namespaces';

/** All that the proof asks of a cluster. */
const rights = [
  {
    apiGroups: ['core.oam.dev'],
    resources: ['applications', 'applicationrevisions', 'workflowruns', 'workflows'],
    verbs: ['get'],
  },
];

let cluster: Kubernetes;
let client: KubernetesClient;

before(async () => {
  cluster = await startKubernetes();
  await installKubeVela(new Cluster(cluster), 'without-workflow-runs');
  await createNamespace('shop');
  const token = await accountToken(cluster, 'aftersync', rights, 'shop');
  client = openClient(await kubeconfigOf(cluster, { token }));
});

after(async () => {
  await client?.close();
  await cluster?.close();
});

const prove = (request: ExecutionRequest, by = client) =>
  new ProofWorkbench({ client: by }).prover.prove(execution(sessionID, request), neverAborted);

const assertExists = (origin: JsonObject, by = client) =>
  new ProofWorkbench({ client: by }).prover.assertExists({ ...smokeRequest.origin, ...origin } as never);

describe('on a real API server, with no right but get,', () => {
  for (const compression of [undefined, 'zstd', 'gzip'] as const) {
    it(`a step is proven by a revision that is ${compression === undefined ? 'plain' : `packed with ${compression}`}`, async () => {
      const uid = await createApplication(compression === undefined ? {} : { compression });
      const result = await prove(smokeRequest);
      assert.equal(result.kind === 'proven' && result.originStep, `Application/${uid}/smoke`);
      const forged = { ...smokeRequest, with: { ...declaredSmoke.properties, ref: 'evil' } };
      assert.equal((await prove(forged)).kind, 'denied');
      await removeApplication();
    });
  }

  it('an Application that was deleted proves nothing any more', async () => {
    await createApplication();
    await assertExists({});
    await removeApplication();
    assert.equal((await prove(smokeRequest)).kind, 'unproven');
    await assert.rejects(assertExists({}), { code: 'origin-missing' });
  });

  it('an Application of the same name in another namespace proves nothing', async () => {
    await createApplication();
    const elsewhere = { namespace: 'other' };
    await createNamespace('other');
    const allowed = openClient(await kubeconfigOf(cluster));
    try {
      await assert.rejects(assertExists(elsewhere, allowed), { code: 'origin-missing' });
      assert.equal(
        (await prove({ ...smokeRequest, origin: { ...smokeRequest.origin, ...elsewhere } as never }, allowed)).kind,
        'unproven',
      );
    } finally {
      await allowed.close();
      await removeApplication();
    }
  });

  it('what it may not see it does not decide, and says what to grant', async () => {
    const origin = { ...smokeRequest.origin, namespace: 'kube-system' };
    await assert.rejects(prove({ ...smokeRequest, origin: origin as never }), (error) => {
      assert.ok(error instanceof Rejected);
      assert.match(
        error.message,
        /grant its account get, list and watch on applications.core.oam.dev in namespace kube-system/,
      );
      return true;
    });
    await assert.rejects(assertExists({ namespace: 'kube-system' }), { code: 'unavailable' });
  });

  it('a WorkflowRun is missing where its kind is, and proven by a Workflow once it is there', async () => {
    const origin = { kind: 'WorkflowRun', namespace: 'shop', name: 'nightly-7', step: 'smoke', sessionID } as const;
    const request = { ...smokeRequest, origin };
    await assert.rejects(assertExists(origin), { code: 'origin-missing' });
    assert.equal((await prove(request)).kind, 'unproven');

    await installWorkflowRuns(new Cluster(cluster));
    await assert.rejects(assertExists(origin), { code: 'origin-missing' });
    const type = { apiVersion: 'core.oam.dev/v1alpha1' };
    const create = (plural: string, body: JsonObject) =>
      apply(cluster, { method: 'POST', path: `${v1alpha1}/shop/${plural}`, body: { ...type, ...body } });
    await create('workflows', { kind: 'Workflow', metadata: { name: 'nightly' }, steps: [declaredSmoke] });
    await create('workflowruns', {
      kind: 'WorkflowRun',
      metadata: { name: 'nightly-7' },
      spec: { workflowRef: 'nightly' },
    });
    assert.equal((await prove(request)).kind, 'unproven');
    await writeStatus(cluster, `${v1alpha1}/shop/workflowruns/nightly-7`, {
      mode: { steps: 'StepByStep', subSteps: 'DAG' },
      suspend: false,
      terminated: false,
      finished: false,
      steps: [{ id: sessionID, name: 'smoke', type: 'trigger-github-action', phase: 'running' }],
    });
    const result = await prove(request);
    assert.equal(result.kind === 'proven' && result.originStep, 'Workflow/shop/nightly/smoke');
  });

  it('a cluster that is away decides nothing', async () => {
    await createApplication();
    await cluster.stopApiServer();
    try {
      await assert.rejects(assertExists({}), { code: 'unavailable' });
      await assert.rejects(prove(smokeRequest), { name: 'NotSent' });
    } finally {
      await cluster.startApiServer();
    }
    // It is ready a moment before it knows again what our account may.
    const again = () => prove(smokeRequest).catch((error: Error) => error);
    await eventually(again, (result) => 'kind' in result && result.kind === 'proven');
  });
});

async function createNamespace(name: string): Promise<void> {
  await apply(cluster, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
}

/** Application shop/web and its revision as KubeVela leaves them; the Application's UID. */
async function createApplication(scene: Scene = {}): Promise<string> {
  const { application, revision } = applicationObjects(scene);
  const path = `${v1beta1}/shop/applications`;
  const { metadata } = await apply(cluster, {
    method: 'POST',
    path,
    body: { ...application, metadata: { name: 'web' } },
  });
  const { uid } = metadata as { readonly uid: string };
  await writeStatus(cluster, `${path}/web`, application.status as JsonObject);
  const { labels } = revision.metadata as JsonObject;
  const ownerReferences = [
    { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name: 'web', uid, controller: true },
  ];
  const body = { ...revision, metadata: { name: 'web-v3', labels, ownerReferences } };
  await apply(cluster, { method: 'POST', path: `${v1beta1}/shop/applicationrevisions`, body });
  return uid;
}

/** There is no garbage collection here. */
async function removeApplication(): Promise<void> {
  await apply(cluster, { method: 'DELETE', path: `${v1beta1}/shop/applications/web` });
  await apply(cluster, { method: 'DELETE', path: `${v1beta1}/shop/applicationrevisions/web-v3` });
}
