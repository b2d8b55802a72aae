import type { Response } from 'express';
import { type Execution, type ExecutionKey, isFinal } from '../core/execution.ts';
import { Problem } from '../core/problem.ts';
import { isNewer } from './execution-changes.ts';
import { type HeldAnswerParts, type HeldAnswers, placeRetryAfterSeconds } from './held-answers.ts';

/** Requests that wait for the end of an execution: each costs a set entry and a timer. */
export interface LongPolls extends HeldAnswers {
  /**
   * The execution at its end, or as it stands after `waitMs`, at a drain, or when the client goes away. Undefined where
   * there is none. Problems: too-many-waits.
   */
  wait(key: ExecutionKey, waitMs: number, res: Response): Promise<Execution | undefined>;
}

export function createLongPolls({ store, changes, clock, most }: HeldAnswerParts): LongPolls {
  const waiting = new Set<() => void>();
  let isDraining = false;

  async function wait(key: ExecutionKey, waitMs: number, res: Response): Promise<Execution | undefined> {
    if (waiting.size >= most) {
      throw new Problem('too-many-waits', `${most} long polls are open`, { retryAfterSeconds: placeRetryAfterSeconds });
    }
    const { promise: over, resolve: answerNow } = Promise.withResolvers<void>();
    let newest: Execution | undefined;
    const see = (execution: Execution): void => {
      if (newest === undefined || isNewer(execution, newest)) newest = execution;
      if (isFinal(newest.status.state)) answerNow();
    };
    // Before the read, so that no change falls between the two.
    const release = changes.followOne(key, ({ execution, isDeletion }) => {
      if (!isDeletion) return see(execution);
      newest = undefined;
      answerNow();
    });
    const cancelTimer = clock.at(clock.now() + waitMs, answerNow);
    waiting.add(answerNow);
    res.once('close', answerNow);
    if (isDraining || res.destroyed) answerNow();
    try {
      const first = await store.get(key);
      if (first !== undefined) see(first);
      if (newest !== undefined) await over;
      return newest;
    } finally {
      waiting.delete(answerNow);
      res.off('close', answerNow);
      cancelTimer();
      release();
    }
  }

  return {
    wait,
    get count() {
      return waiting.size;
    },
    drain() {
      isDraining = true;
      for (const answerNow of waiting) answerNow();
    },
  };
}
