import type { ExecutionRequest } from '../../core/execution.ts';
import type { ConnectionUse } from '../../core/step.ts';
import { apiVersionOf, type ObjectPlace } from '../../providers/kubernetes/resource-type.ts';

/** Where who asks is at home: the workflow's namespace, else the execution's. */
export function homeOf(execution: { readonly namespace: string; readonly request: ExecutionRequest }): string {
  return execution.request.origin?.namespace ?? execution.namespace;
}

/**
 * What the connection's lists must allow for this read. Known only after discovery: a kind may have no namespace, and
 * another API may have a kind called Secret.
 */
export function claimsOf({ type, name, namespace }: ObjectPlace, home: string): ConnectionUse['claims'] {
  if (namespace === undefined) return { clusterKinds: [type.kind] };
  const isSecret = type.kind === 'Secret' && apiVersionOf(type) === 'v1';
  return {
    ...(namespace === home ? {} : { readNamespaces: [namespace] }),
    ...(isSecret ? { secrets: [`${namespace}/${name}`] } : {}),
  };
}

/** The connection through which a cluster is read; what exactly is claimed of it is known only after discovery. */
export function clusterUse(name: string | undefined): ConnectionUse {
  return { family: 'kubernetes', ...(name === undefined ? {} : { name }), claims: {} };
}
