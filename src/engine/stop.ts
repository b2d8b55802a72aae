import { type Execution, type ExecutionStatus, isFinal, type Stop } from '../core/execution.ts';
import { ExecutionMissing, type ExecutionStore, VersionConflict } from '../core/store.ts';

/** Effects that undo are told from those before the stop by their time, so that it comes last whatever the clock says. */
export function createStop({ effects }: ExecutionStatus, wish: Omit<Stop, 'until'>): Stop {
  return { ...wish, at: Math.max(wish.at, ...effects.map(({ intentAt }) => intentAt)) };
}

/** The execution with a stop, whoever stored one first; undefined where it has ended or is gone. Its holder is to be raised. */
export async function storeStop(
  store: ExecutionStore,
  seen: Execution,
  wish: Omit<Stop, 'until'>,
): Promise<Execution | undefined> {
  for (let execution: Execution | undefined = seen; execution !== undefined; execution = await store.get(seen)) {
    const { status, version } = execution;
    if (isFinal(status.state)) return undefined;
    if (status.stop !== undefined) return execution;
    try {
      return await store.update(execution, version, { ...status, stop: createStop(status, wish) });
    } catch (error) {
      if (!(error instanceof VersionConflict || error instanceof ExecutionMissing)) throw error;
    }
  }
  return undefined;
}
