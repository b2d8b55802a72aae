import type { Execution } from '../core/execution.ts';
import type { Holding } from '../core/holding.ts';
import { ExecutionMissing, type ExecutionStore, VersionConflict } from '../core/store.ts';

/**
 * Tells the holders in other processes of a signal that reached this one. Resolves when that is stored; they are woken by
 * their watches.
 */
export async function wakeOthers(store: ExecutionStore, holding: Holding, signal: string): Promise<void> {
  const waiting = (await store.waitingFor?.(signal)) ?? [];
  const ofOthers = waiting.filter(({ status }) => status.holder !== holding.holder);
  await Promise.all(ofOthers.map((execution) => storeSignal(store, execution, signal)));
}

/** Also where it is stored already: its holder may have looked since, and takes away what it has dealt with. */
async function storeSignal(store: ExecutionStore, seen: Execution, signal: string): Promise<void> {
  for (let execution: Execution | undefined = seen; execution !== undefined; execution = await store.get(seen)) {
    const { status, version } = execution;
    if (!status.signals.includes(signal)) return;
    try {
      await store.update(execution, version, { ...status, signal });
      return;
    } catch (error) {
      if (!(error instanceof VersionConflict || error instanceof ExecutionMissing)) throw error;
    }
  }
}
