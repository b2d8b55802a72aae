import type { Rate } from './plans.ts';

/** The provider's side of a rate limit. Written apart from the product's own bucket, which it is there to check. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #countedAtMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.capacity;
    this.#countedAtMs = nowMs;
  }

  /** Takes so many and returns 0; or takes none and returns in how many milliseconds they will be there. */
  take(tokens: number, nowMs: number): number {
    const { capacity, perSecond } = this.#rate;
    const gained = (Math.max(0, nowMs - this.#countedAtMs) / 1_000) * perSecond;
    this.#tokens = Math.min(capacity, this.#tokens + gained);
    this.#countedAtMs = nowMs;
    // Thousands of fractions add up to a little less than the whole that they stand for.
    const missing = tokens - this.#tokens;
    if (missing > 1e-6) return (missing / perSecond) * 1_000;
    this.#tokens -= tokens;
    return 0;
  }
}
