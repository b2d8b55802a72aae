import type { Holding } from '../core/holding.ts';
import type { ExecutionStore } from '../core/store.ts';
import { storeWish } from './store-wish.ts';

/**
 * Tells the holders in other processes of a signal that reached this one. Resolves when that is stored; they are woken by
 * their watches.
 */
export async function wakeOthers(store: ExecutionStore, holding: Holding, signal: string): Promise<void> {
  const waiting = (await store.waitingFor?.(signal)) ?? [];
  const ofOthers = waiting.filter(({ status }) => status.holder !== holding.holder);
  await Promise.all(
    ofOthers.map((execution) =>
      // Also where it is stored already: its holder may have looked since, and takes away what it has dealt with.
      storeWish(store, execution, (status) => (status.signals.includes(signal) ? { ...status, signal } : undefined)),
    ),
  );
}
