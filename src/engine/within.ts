import type { Clock } from '../core/time.ts';

export interface WithinOptions {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Its abort ends the wait at once. */
  readonly closing?: AbortSignal;
  readonly onLimit: () => Error;
}

/** Rejects with what `onLimit` gives when the work takes longer. The work itself goes on; nothing waits for it any more. */
export async function within<T>(work: Promise<T>, { clock, limitMs, closing, onLimit }: WithinOptions): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const giveUp = () => {
    letGo();
    reject(onLimit());
  };
  const cancel = clock.at(clock.now() + limitMs, giveUp);
  // Not left to the end of the work: what hangs would stay in memory for as long as the process lives.
  const letGo = () => {
    cancel();
    closing?.removeEventListener('abort', giveUp);
  };
  closing?.addEventListener('abort', giveUp);
  if (closing?.aborted) giveUp();
  Promise.resolve(work).then(resolve, reject).finally(letGo);
  return promise;
}
