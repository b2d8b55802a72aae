import { managedCluster, type ObjectName } from '../../core/awaited-object.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import type { Outcome } from '../../core/step.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import type { ObjectPlace } from '../../providers/kubernetes/resource-type.ts';
import { homeOf } from './policy.ts';

/** A CRD that the step before has applied is served a moment later. */
export const kindGraceMs = 30_000;

/** What to return where there is nothing to go on with. */
export interface Unmet {
  readonly outcome: Exclude<Outcome<never>, { kind: 'succeeded' }>;
}

export interface PlaceOptions {
  readonly client: KubernetesClient;
  /** The API version that counts where the object names none, if it has the kind. */
  readonly firstApiVersion?: string;
  /** How long a kind that the cluster does not know is waited for. */
  readonly graceMs: number;
}

/** Where the object is to be looked for. Nothing is asked of a managed cluster that the connection does not allow. */
export async function findPlace(
  context: GateContext,
  object: ObjectName,
  { client, firstApiVersion, graceMs }: PlaceOptions,
): Promise<ObjectPlace | Unmet> {
  const { execution } = context;
  const cluster = managedCluster(object);
  if (cluster !== undefined) await context.connection('kubernetes', { clusters: [cluster] });
  const { apiVersion = '', kind, name, namespace = '' } = object;
  const kindName = {
    kind,
    ...(apiVersion === '' ? {} : { apiVersion }),
    ...(firstApiVersion === undefined ? {} : { firstApiVersion }),
  };
  const found = await client.find(kindName, execution.createdAt, cluster);
  if ('type' in found) {
    const place = { type: found.type, name, ...(cluster === undefined ? {} : { cluster }) };
    return found.type.isNamespaced ? { ...place, namespace: namespace || homeOf(execution) } : place;
  }
  if (found.asOf < execution.createdAt + graceMs) {
    return { outcome: { kind: 'waiting', message: found.missing, until: found.againAt } };
  }
  return { outcome: { kind: 'failed', reason: 'NotFound', message: found.missing } };
}
