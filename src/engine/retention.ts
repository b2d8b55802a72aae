import type { Logger } from 'pino';
import type { ExecutionStore } from '../core/store.ts';
import type { Clock } from '../core/time.ts';

const everyMs = 10 * 60_000;
const batchSize = 500;

/** Deletes ended executions some time after their end, in batches so that other writes get their turn. Returns what stops it. */
export function startRetention(store: ExecutionStore, clock: Clock, log: Logger, keepFinishedMs: number): () => void {
  let stopped = false;
  let cancel = () => {};
  const sweep = async () => {
    try {
      let deleted = 0;
      for (let batch = batchSize; batch === batchSize && !stopped; deleted += batch) {
        batch = await store.deleteFinished(clock.now() - keepFinishedMs, batchSize);
      }
      if (deleted > 0) log.info({ deleted }, 'deleted executions that ended long ago');
    } catch (error) {
      if (!stopped) log.error({ err: error }, 'ended executions could not be deleted; trying again later');
    }
    if (!stopped) cancel = clock.at(clock.now() + everyMs, () => void sweep());
  };
  void sweep();
  return () => {
    stopped = true;
    cancel();
  };
}
