import type { Clock, EpochMs } from './time.ts';

/** What the schedule writes into the things it holds, so that moving one needs no search. */
export interface Scheduled {
  at: EpochMs;
  /** Position in the heap; -1 while it is not scheduled. */
  position: number;
}

/** Timers count what elapses, not what the clock says: after a suspend the next look at it is never further away than this. */
const longestTimerMs = 60_000;

/** All wake times in one binary heap with one timer: a hundred thousand waiting executions cost no timer each. */
export class Schedule<T extends Scheduled> {
  readonly #clock: Clock;
  readonly #onDue: (item: T) => void;
  readonly #heap: T[] = [];
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #running = false;

  constructor(clock: Clock, onDue: (item: T) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#heap.length;
  }

  start(): void {
    this.#running = true;
    this.#arm();
  }

  stop(): void {
    this.#running = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  /** Schedules the item, or moves it. */
  set(item: T, at: EpochMs): void {
    item.at = at;
    if (item.position === -1) {
      item.position = this.#heap.length;
      this.#heap.push(item);
    }
    this.#up(item.position);
    this.#down(item.position);
    this.#arm();
  }

  remove(item: T): void {
    const { position } = item;
    if (position === -1) return;
    item.position = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === item) return;
    this.#place(last, position);
    this.#up(position);
    this.#down(last.position);
  }

  #arm(): void {
    const first = this.#heap[0];
    if (!this.#running || first === undefined || first.at >= this.#timerAt) return;
    const now = this.#clock.now();
    if (first.at <= now) {
      this.#fire();
      return;
    }
    this.#cancelTimer?.();
    this.#timerAt = Math.min(first.at, now + longestTimerMs);
    this.#cancelTimer = this.#clock.at(this.#timerAt, () => this.#fire());
  }

  #fire(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.remove(first);
      this.#onDue(first);
    }
    this.#arm();
  }

  #place(item: T, position: number): void {
    this.#heap[position] = item;
    item.position = position;
  }

  #up(start: number): void {
    const item = this.#heap[start];
    if (item === undefined) return;
    let position = start;
    while (position > 0) {
      const parent = this.#heap[(position - 1) >> 1];
      if (parent === undefined || parent.at <= item.at) break;
      this.#place(parent, position);
      position = (position - 1) >> 1;
    }
    this.#place(item, position);
  }

  #down(start: number): void {
    const item = this.#heap[start];
    if (item === undefined) return;
    let position = start;
    for (;;) {
      const left = this.#heap[2 * position + 1];
      const right = this.#heap[2 * position + 2];
      const least = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (least === undefined || least.at >= item.at) break;
      const next = least.position;
      this.#place(least, position);
      position = next;
    }
    this.#place(item, position);
  }
}
