import type { EpochMs } from '../../../src/core/time.ts';

const longestWaitSeconds = 60;
const longestWaitAfterFailureSeconds = 300;

/** What the engine counts of a workflow, in memory only: a restart of the controller, a suspension and the end forget it. */
export class Backoff {
  /** How often a step has waited with the same message, from 0 on. */
  readonly #waits = new Map<string, { message: string | undefined; times: number }>();
  readonly #errors = new Map<string, number>();
  #lastExecuteSecond = 0;
  #nextExecuteSecond: number | undefined;

  /** The step is not done. A message that has changed makes it start over. */
  waited(id: string, message: string | undefined): void {
    const known = this.#waits.get(id);
    if (known === undefined || known.message !== message) this.#waits.set(id, { message, times: 0 });
    else known.times += 1;
  }

  /** Not even begun: nothing is compared. */
  pending(id: string): void {
    const known = this.#waits.get(id);
    if (known === undefined) this.#waits.set(id, { message: undefined, times: 0 });
    else known.times += 1;
  }

  ended(id: string): void {
    this.#waits.delete(id);
  }

  /** How many errors the step has had before this one. */
  failed(id: string): number {
    const before = this.#errors.get(id) ?? 0;
    this.#errors.set(id, before + 1);
    return before;
  }

  executed(now: EpochMs): void {
    this.#lastExecuteSecond = Math.floor(now / 1_000);
  }

  /** `ids`: the steps in the status. `timeoutInSeconds`: when the first of their own timeouts passes. */
  planNext(ids: readonly string[], hasFailure: boolean, timeoutInSeconds: number | undefined): void {
    const longest = hasFailure ? longestWaitAfterFailureSeconds : longestWaitSeconds;
    const seconds = Math.min(this.#seconds(ids, longest), timeoutInSeconds ?? Infinity);
    this.#nextExecuteSecond = this.#lastExecuteSecond + seconds;
  }

  #seconds(ids: readonly string[], longest: number): number {
    const times = ids.map((id) => this.#waits.get(id)?.times ?? 0).filter((count) => count > 0);
    if (times.length === 0) return 1;
    return Math.min(Math.max(Math.floor(2 ** Math.min(...times, 15) * 0.05), 1), longest);
  }

  /** Counted from a whole second, which makes the first interval shorter than a second. */
  waitMs(now: EpochMs): number {
    const untilNext = (this.#nextExecuteSecond ?? 0) * 1_000 - now;
    return untilNext > 0 ? untilNext : 1_000;
  }
}
