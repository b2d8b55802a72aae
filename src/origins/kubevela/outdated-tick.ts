import { type Execution, isFinal } from '../../core/execution.ts';
import type { EpochMs } from '../../core/time.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import { hasEnded } from './following.ts';
import { stepWithId, workflowStatusOf } from './workflow-status.ts';

/** Far longer than any cache of the engine lags behind. */
const longestLagMs = 60_000;

/**
 * Whether a tick for this execution comes from an engine that does not know yet what it wrote itself: its step has ended in
 * the object as it was seen last. KubeVela reads its objects from a cache, and of two ticks close to each other (one by a wake,
 * one by its own plan) the second may run all again that the first ran after this step.
 */
export function isOutdatedTick(
  { request: { origin }, status }: Execution,
  object: KubernetesObject | undefined,
  now: EpochMs,
): boolean {
  if (origin === undefined || object === undefined || !isFinal(status.state)) return false;
  if (now - (status.finishedAt ?? 0) > longestLagMs) return false;
  const step = stepWithId(workflowStatusOf(origin.kind, object), origin.sessionID);
  return step !== undefined && hasEnded(step);
}
