import type { Execution, ExecutionStatus } from '../core/execution.ts';
import { ExecutionMissing, type ExecutionStore, VersionConflict } from '../core/store.ts';

/**
 * Stores what somebody else than its holder may ask of an execution, however often others write meanwhile. `wished` gives the
 * status with it, the very status where it stands there already, or undefined where it is in vain. Returns the execution as it
 * stands then; undefined where it was in vain, or the execution is gone.
 */
export async function storeWish(
  store: ExecutionStore,
  seen: Execution,
  wished: (status: ExecutionStatus) => ExecutionStatus | undefined,
): Promise<Execution | undefined> {
  for (let execution: Execution | undefined = seen; execution !== undefined; execution = await store.get(seen)) {
    const status = wished(execution.status);
    if (status === undefined) return undefined;
    if (status === execution.status) return execution;
    try {
      return await store.update(execution, execution.version, status);
    } catch (error) {
      if (!(error instanceof VersionConflict || error instanceof ExecutionMissing)) throw error;
    }
  }
  return undefined;
}
