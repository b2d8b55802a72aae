import type { Logger } from 'pino';
import type { ExecutionStore, RetentionRule } from '../core/store.ts';
import type { Clock, EpochMs } from '../core/time.ts';

const everyMs = 10 * 60_000;
const batchSize = 500;

/** Nothing is deleted earlier, so that a late repeat of a request still finds what became of it. */
const shortestMs = 24 * 3_600_000;

export interface RetentionOptions {
  readonly keepFinishedMs: number;
  readonly keepPerStep?: number | undefined;
}

/** Deletes ended executions some time after their end, in batches so that other writes get their turn. Returns what stops it. */
export function startRetention(
  store: ExecutionStore,
  clock: Clock,
  log: Logger,
  options: RetentionOptions,
): () => void {
  let stopped = false;
  let cancel = () => {};
  const sweep = async () => {
    try {
      let deleted = 0;
      for (let batch = batchSize; batch === batchSize && !stopped; deleted += batch) {
        batch = await store.deleteFinished(ruleAt(clock.now(), options), batchSize);
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

function ruleAt(now: EpochMs, { keepFinishedMs, keepPerStep }: RetentionOptions): RetentionRule {
  const before = now - keepFinishedMs;
  if (keepPerStep === undefined) return { before };
  return { before, surplus: { perStep: keepPerStep, before: now - shortestMs } };
}
