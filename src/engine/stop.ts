import type { ExecutionStatus, Stop } from '../core/execution.ts';

/** Effects that undo are told from those before the stop by their time, so that it comes last whatever the clock says. */
export function createStop({ effects }: ExecutionStatus, wish: Omit<Stop, 'until'>): Stop {
  return { ...wish, at: Math.max(wish.at, ...effects.map(({ intentAt }) => intentAt)) };
}
