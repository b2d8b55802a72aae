import type { Origin } from '../../core/execution.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import type { ObjectPlace, ResourceType } from '../../providers/kubernetes/resource-type.ts';

const group = 'core.oam.dev';
const common = { group, isNamespaced: true, hasStatus: true };

const types = {
  Application: { ...common, version: 'v1beta1', kind: 'Application', plural: 'applications' },
  ApplicationRevision: { ...common, version: 'v1beta1', kind: 'ApplicationRevision', plural: 'applicationrevisions' },
  Workflow: { ...common, version: 'v1alpha1', kind: 'Workflow', plural: 'workflows', hasStatus: false },
  WorkflowRun: { ...common, version: 'v1alpha1', kind: 'WorkflowRun', plural: 'workflowruns' },
} as const satisfies Record<string, ResourceType>;

/** Where KubeVela's objects stand; `objectPath` makes the API's path of it. */
export function kubeVelaObject(kind: keyof typeof types, namespace: string, name: string): ObjectPlace {
  return { type: types[kind], namespace, name };
}

export function originObject({ kind, namespace, name }: Pick<Origin, 'kind' | 'namespace' | 'name'>): ObjectPlace {
  return kubeVelaObject(kind, namespace, name);
}

/** What Kubernetes takes for a name. Of others it has no object, and `..` would lead elsewhere. */
const objectName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** The newest state; undefined: it is not there, or its kind is not. Throws Rejected where we are not let see. */
export async function readObject(
  client: Pick<KubernetesClient, 'read'>,
  place: ObjectPlace,
  signal: AbortSignal,
): Promise<KubernetesObject | undefined> {
  return objectName.test(place.name) ? await client.read(place, signal) : undefined;
}
