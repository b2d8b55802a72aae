import type { EpochMs } from './time.ts';

/** A token bucket: full at first, then refilled evenly. */
export interface Rate {
  readonly capacity: number;
  readonly perSecond: number;
}

/**
 * A server's rate limit as we count it. Full at first and refilled evenly; it may be overdrawn by those who then wait
 * as long as waitMs told them, so that waiters queue up instead of waking together.
 */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  /** When #tokens was true. */
  #countedAt: EpochMs;
  #closedUntil: EpochMs = 0;

  constructor(rate: Rate, now: EpochMs) {
    this.#rate = rate;
    this.#tokens = rate.capacity;
    this.#countedAt = now;
  }

  /** Milliseconds until so many tokens are there; for more than the bucket holds, until it is full. */
  waitMs(tokens: number, now: EpochMs): number {
    this.#refill(now);
    const missing = Math.min(tokens, this.#rate.capacity) - this.#tokens;
    const refillMs = missing <= 0 ? 0 : (missing / this.#rate.perSecond) * 1_000;
    return Math.ceil(Math.max(0, this.#closedUntil - now) + refillMs);
  }

  take(tokens: number, now: EpochMs): void {
    this.#refill(now);
    this.#tokens -= tokens;
  }

  /** The server counts otherwise and wants nothing before `time`; then there is enough for one call of that size. */
  emptyUntil(time: EpochMs, tokens: number): void {
    this.#tokens = Math.min(tokens, this.#rate.capacity);
    this.#closedUntil = Math.max(time, this.#closedUntil);
  }

  #refill(now: EpochMs): void {
    if (now < this.#closedUntil) return;
    // A clock that was set back gives nothing, and takes nothing.
    const elapsedMs = Math.max(0, now - Math.max(this.#countedAt, this.#closedUntil));
    this.#tokens = Math.min(this.#rate.capacity, this.#tokens + (elapsedMs / 1_000) * this.#rate.perSecond);
    this.#countedAt = now;
  }
}
