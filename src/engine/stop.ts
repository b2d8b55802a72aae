import { type Execution, type ExecutionStatus, isFinal, type Stop } from '../core/execution.ts';
import type { ExecutionStore } from '../core/store.ts';
import { storeWish } from './store-wish.ts';

/** Effects that undo are told from those before the stop by their time, so that it comes last whatever the clock says. */
export function createStop({ effects }: ExecutionStatus, wish: Omit<Stop, 'until'>): Stop {
  return { ...wish, at: Math.max(wish.at, ...effects.map(({ intentAt }) => intentAt)) };
}

/** The execution with a stop, whoever stored one first; undefined where it has ended or is gone. Its holder is to be raised. */
export function storeStop(
  store: ExecutionStore,
  seen: Execution,
  wish: Omit<Stop, 'until'>,
): Promise<Execution | undefined> {
  return storeWish(store, seen, (status) => {
    if (isFinal(status.state)) return undefined;
    return status.stop === undefined ? { ...status, stop: createStop(status, wish) } : status;
  });
}
