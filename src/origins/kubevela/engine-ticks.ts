import type { EpochMs } from '../../core/time.ts';
import type { WorkflowStatus } from './workflow-status.ts';

/**
 * After how many seconds the engine looks at a waiting workflow again: int(0.05 × 2^n), at least 1, at most 60, after a failure
 * at most 300. Counted from whole seconds of the clock (kubevela/workflow: pkg/executor/workflow.go, setNextExecuteTime).
 */
const intervalsSeconds = [1, 3, 6, 12, 25, 51, 60, 102, 204, 300];
const secondMs = 1_000;
/** What is written shortly before a tick begins is not seen by it. */
const unseenMs = 20;
/** How long after its beginning a tick has asked us: 7 to 215 ms on vela-core 1.10.9. */
const askingMs = 300;
/** A plan from before the last tick still holds where that tick was not of the engine's own. */
const mostRemembered = 4;

/** When the engine of one workflow may begin a tick by itself, as far as its status tells. */
export class EngineTicks {
  /** When steps were run, in seconds, the newest last. */
  #seconds: number[] = [];

  saw({ steps }: WorkflowStatus): void {
    const newest = Math.max(...steps.map(({ lastExecuteTime }) => Date.parse(lastExecuteTime) / secondMs || 0));
    if (newest <= (this.#seconds.at(-1) ?? 0)) return;
    this.#seconds = [...this.#seconds, newest].slice(-mostRemembered);
  }

  /**
   * The first time from then on at which no tick may have read the object and not asked us yet. Such a tick is not known
   * here, and would lose what it writes to a write of ours; once it has asked, it knows all that we could tell.
   */
  clearTime(at: EpochMs): EpochMs {
    const second = Math.floor((at + unseenMs) / secondMs);
    const clearAt = second * secondMs + askingMs;
    return at < clearAt && this.#mayBeginAt(second) ? clearAt : at;
  }

  #mayBeginAt(second: number): boolean {
    if (this.#seconds.length === 0) return true;
    return this.#seconds.some((executed) => intervalsSeconds.includes(second - executed));
  }
}
