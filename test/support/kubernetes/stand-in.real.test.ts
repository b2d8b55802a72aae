import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { KubernetesClient } from '../../../src/providers/kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { objectPath, type ResourceType } from '../../../src/providers/kubernetes/resource-type.ts';
import { completeRollOut, createDeployment } from '../../providers/kubernetes/cluster-objects.ts';
import { neverAborted, openClient } from '../../providers/kubernetes/open-client.ts';
import { startKubernetesStandIn } from './stand-in.ts';
import { type Kubernetes, startKubernetes } from './start-kubernetes.ts';

const name = 'web';
const image = 'example.invalid/app:1';

interface Cluster {
  readonly kubeconfig: string;
  /** The whole roll-out in one status. */
  completeRollOut(): Promise<void>;
}

let kubernetes: Kubernetes;
before(async () => {
  kubernetes = await startKubernetes();
});
after(() => kubernetes.close());

async function realCluster(): Promise<Cluster> {
  const path = `/apis/apps/v1/namespaces/default/deployments/${name}`;
  await kubernetes.request({ method: 'DELETE', path });
  await createDeployment(kubernetes, name);
  return {
    kubeconfig: await readFile(kubernetes.adminKubeconfigPath, 'utf8'),
    completeRollOut: () => completeRollOut(kubernetes, name, 1),
  };
}

async function standIn(test: TestContext): Promise<Cluster> {
  const cluster = await startKubernetesStandIn({ name, image, replicas: 2 });
  test.after(() => cluster.close());
  const counts = { replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 };
  return {
    kubeconfig: cluster.kubeconfig,
    completeRollOut: async () => cluster.writeStatus({ observedGeneration: 1, ...counts }),
  };
}

function open(test: TestContext, { kubeconfig }: Cluster): KubernetesClient {
  const client = openClient(kubeconfig);
  test.after(() => client.close());
  return client;
}

async function deploymentType(client: KubernetesClient): Promise<ResourceType> {
  const found = await client.discovery.find({ kind: 'Deployment' }, 0);
  assert.ok('type' in found, JSON.stringify(found));
  return found.type;
}

for (const { title, start } of [
  { title: 'a real API server', start: realCluster },
  { title: 'its stand-in', start: standIn },
]) {
  describe(title, () => {
    it('serves Deployments, and has the one that was made and no other', async (t) => {
      const client = open(t, await start(t));
      const type = await deploymentType(client);
      const expected = { group: 'apps', version: 'v1', kind: 'Deployment', plural: 'deployments' };
      assert.deepEqual(type, { ...expected, isNamespaced: true, hasStatus: true });
      const object = await client.read({ type, name, namespace: 'default' }, neverAborted);
      assert.equal(object?.metadata.generation, 1);
      const { spec } = object as KubernetesObject & {
        readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { image: string }[] } } };
      };
      assert.equal(spec.template.spec.containers[0]?.image, image);
      assert.equal(await client.read({ type, name: 'other', namespace: 'default' }, neverAborted), undefined);
    });

    it('shows a watch what is there, and then what is written', async (t) => {
      const cluster = await start(t);
      const client = open(t, cluster);
      const place = { type: await deploymentType(client), name, namespace: 'default' };
      const observed: unknown[] = [];
      const { promise: listed, resolve: onListed } = Promise.withResolvers<void>();
      const { promise: written, resolve: onWritten } = Promise.withResolvers<void>();
      t.after(
        client.subscribe(objectPath(place), () => {
          const sight = client.look(place);
          assert.ok(sight !== undefined && 'object' in sight);
          const { observedGeneration } = (sight.object?.status ?? {}) as { readonly observedGeneration?: number };
          observed.push(observedGeneration);
          if (observedGeneration === undefined) onListed();
          else onWritten();
        }),
      );
      await listed;
      await cluster.completeRollOut();
      await written;
      assert.deepEqual(observed, [undefined, 1]);
    });
  });
}
