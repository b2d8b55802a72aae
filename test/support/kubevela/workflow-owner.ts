import type { Clock } from '../../../src/core/time.ts';
import type { Cluster } from './cluster.ts';
import type { TickResult, WorkflowInstance, WorkflowMemory } from './execute-workflow.ts';
import type { KubernetesObject } from './objects.ts';

/** What reconciling an Application and a WorkflowRun have in common. */
export interface OwnerTools {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly memoryOf: (owner: KubernetesObject) => WorkflowMemory;
  readonly tick: (owner: KubernetesObject, workflow: OwnedWorkflow) => Promise<TickResult>;
  /** Stores the status with the resourceVersion that was read, where it has changed. Throws an ApiError with 409 on a conflict. */
  readonly write: <T extends KubernetesObject>(read: T, changed: T) => Promise<void>;
}

export interface OwnedWorkflow extends WorkflowInstance {
  readonly applyComponent?: (name: string) => Promise<void>;
}

export interface Reconciled {
  /** When it is to be reconciled again though nothing has changed. */
  readonly againInMs?: number;
}
