import type { CueVersion } from '../support/cue/cue-program.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import type { Cluster } from '../support/kubevela/cluster.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { image, objectOf, renderApplication } from './rendered-addon.ts';

const version: CueVersion = '0.14.1';

export interface Role extends KubernetesObject {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

interface AggregatedRole extends Role {
  readonly aggregationRule: {
    readonly clusterRoleSelectors: readonly { readonly matchLabels: Readonly<Record<string, string>> }[];
  };
}

const stepDefinitions = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'workflowstepdefinitions.core.oam.dev' },
  spec: {
    group: 'core.oam.dev',
    scope: 'Namespaced',
    names: { kind: 'WorkflowStepDefinition', plural: 'workflowstepdefinitions', singular: 'workflowstepdefinition' },
    versions: [
      {
        name: 'v1beta1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

/** What the addon needs of a cluster with KubeVela beside what its workflows need. */
export async function prepareForAddon(cluster: Cluster): Promise<void> {
  await cluster.apply(stepDefinitions);
  await cluster.untilServed({ apiVersion: 'core.oam.dev/v1beta1', kind: 'WorkflowStepDefinition' });
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'vela-system' } });
}

/** All objects of the addon, in the order in which KubeVela applies them. */
export async function addonObjects(args: object): Promise<readonly KubernetesObject[]> {
  const { spec } = await renderApplication({ version, args });
  return spec.components.flatMap(({ properties: { objects } }) => objects);
}

/** Applies all objects, as KubeVela does, and aggregates, as the cluster's controller does, which does not run here. */
export async function enableAddon(cluster: Cluster, args: object = {}): Promise<readonly KubernetesObject[]> {
  const objects = await addonObjects({ image, ...args });
  for (const object of objects) await cluster.apply(object);
  await cluster.untilServed({ apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution' });
  const reader = objectOf<AggregatedRole>(objects, 'ClusterRole', 'aftersync-reader');
  const parts = reader.aggregationRule.clusterRoleSelectors.map(({ matchLabels }) => {
    const labels = Object.entries(matchLabels).map((label) => label.join('='));
    return cluster.list<Role>(reader, { namespace: '', labels: labels.join() });
  });
  const rules = (await Promise.all(parts)).flat().flatMap((part) => part.rules);
  const aggregated: Role = { ...reader, rules };
  await cluster.put(aggregated);
  return objects;
}

/** A token of the account that the addon's executor runs as. */
export async function executorToken(kubernetes: Kubernetes): Promise<string> {
  const { body } = await kubernetes.request({
    method: 'POST',
    path: '/api/v1/namespaces/vela-system/serviceaccounts/aftersync/token',
    body: { spec: {} },
  });
  return (body as { readonly status: { readonly token: string } }).status.token;
}
