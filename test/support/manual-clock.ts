import type { Clock, EpochMs } from '../../src/core/time.ts';

/** A clock that stands still until told to advance, and then rings what has come due, in order. */
export class ManualClock implements Clock {
  #now: EpochMs;
  #alarms: { readonly time: EpochMs; readonly callback: () => void }[] = [];

  constructor(start: EpochMs = Date.UTC(2026, 10, 21, 2, 0, 0)) {
    this.#now = start;
  }

  now(): EpochMs {
    return this.#now;
  }

  at(time: EpochMs, callback: () => void): () => void {
    const alarm = { time, callback };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  }

  /** An alarm that is set by another one's callback rings too, if it comes due within the span. */
  advance(spanMs: number): void {
    const until = this.#now + spanMs;
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      const { time, callback } = next;
      this.#alarms = this.#alarms.filter((alarm) => alarm !== next);
      this.#now = Math.max(this.#now, time);
      callback();
    }
    this.#now = until;
  }

  /** Only to the next time for which an alarm is set, so that what it has begun can go on before time does. */
  advanceToNext(until: EpochMs): void {
    const next = Math.min(this.#next(until)?.time ?? until, until);
    this.advance(Math.max(0, next - this.#now));
  }

  #next(until: EpochMs) {
    return this.#alarms.filter(({ time }) => time <= until).sort((left, right) => left.time - right.time)[0];
  }
}
