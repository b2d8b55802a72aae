import { errorCodes, Refusal } from './answer.ts';
import type { PlanLimits } from './plans.ts';
import type { Purge } from './purge-request.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Zone } from './zones.ts';

/** Source: developers.cloudflare.com/fundamentals/api/reference/limits: per user, cumulative over all calls. */
const GLOBAL_REQUESTS = 1_200;
const GLOBAL_WINDOW_MS = 300_000;
const GLOBAL_BLOCK_MS = 300_000;

export class RateLimits {
  readonly #buckets = new Map<string, TokenBucket>();
  #recentRequestsMs: number[] = [];
  #blockedUntilMs = Number.NEGATIVE_INFINITY;

  /** Throws the 429 of the global limit, which then lasts for five minutes whatever the client does. */
  countRequest(nowMs: number): void {
    if (nowMs >= this.#blockedUntilMs) {
      this.#recentRequestsMs = this.#recentRequestsMs.filter((atMs) => atMs > nowMs - GLOBAL_WINDOW_MS);
      if (this.#recentRequestsMs.length < GLOBAL_REQUESTS) {
        this.#recentRequestsMs.push(nowMs);
        return;
      }
      this.#blockedUntilMs = nowMs + GLOBAL_BLOCK_MS;
      this.#recentRequestsMs = [];
    }
    const message =
      'More than 1200 requests per 300 seconds reached. Please wait and consider throttling your requests';
    throw tooMany({ code: errorCodes.tooManyRequests, message }, this.#blockedUntilMs - nowMs);
  }

  /** Throws the 429 of the account's bucket, from which nothing is taken then. */
  countPurge(purge: Pick<Purge, 'kind' | 'items'>, zone: Zone, nowMs: number): void {
    const countsItems = purge.kind === 'files';
    const rate: keyof PlanLimits = countsItems ? 'urls' : 'otherCalls';
    // The page says "per account" and lists plans; zones of different plans in one account are taken to count apart.
    const name = `${zone.account} ${zone.plan} ${rate}`;
    const bucket = this.#buckets.get(name) ?? new TokenBucket(zone.limits[rate], nowMs);
    this.#buckets.set(name, bucket);
    const waitMs = bucket.take(countsItems ? purge.items.length : 1, nowMs);
    if (waitMs === 0) return;
    const message = 'Unable to purge, rate limit reached. Please wait and consider throttling your request speed';
    throw tooMany({ code: errorCodes.rateLimited, message }, waitMs);
  }
}

function tooMany(error: { code: number; message: string }, waitMs: number): Refusal {
  return new Refusal(429, error, { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))) });
}
