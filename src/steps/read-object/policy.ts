import type { ExecutionRequest } from '../../core/execution.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import type { ConnectionUse } from '../../core/step.ts';
import { isSecret, type ObjectPlace } from '../../providers/kubernetes/resource-type.ts';

/** Where who asks is at home: the workflow's namespace, else the execution's. */
export function homeOf(execution: { readonly namespace: string; readonly request: ExecutionRequest }): string {
  return execution.request.origin?.namespace ?? execution.namespace;
}

/** Rejected as Denied where the connection's lists do not allow to read this. The cluster was seen to by findPlace. */
export async function assertAllowed(context: GateContext, place: ObjectPlace): Promise<void> {
  await context.connection('kubernetes', claimsOf(place, homeOf(context.execution)));
}

/** Known only after discovery: a kind may have no namespace, and another API may have a kind called Secret. */
function claimsOf({ type, name, namespace, cluster }: ObjectPlace, home: string): ConnectionUse['claims'] {
  if (namespace === undefined) return { clusterKinds: [type.kind] };
  const inCluster = cluster === undefined ? '' : `${cluster}/`;
  return {
    ...(namespace === home ? {} : { readNamespaces: [namespace] }),
    ...(isSecret(type) ? { secrets: [`${inCluster}${namespace}/${name}`] } : {}),
  };
}

/** The connection through which a cluster is read; what exactly is claimed of it is known only after discovery. */
export function clusterUse(name: string | undefined): ConnectionUse {
  return { family: 'kubernetes', ...(name === undefined ? {} : { name }), claims: {} };
}
