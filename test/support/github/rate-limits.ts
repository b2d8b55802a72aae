import type { JsonObject } from '../../../src/core/json.ts';
import type { EpochMs } from '../../../src/core/time.ts';
import { Refusal } from './answer.ts';
import { RUN_DETAILS_API_VERSION } from './flavour.ts';

const HOUR_MS = 3_600_000;

interface Window {
  used: number;
  readonly resetAt: EpochMs;
}

/** The primary limit: so many requests per hour and token. */
export class RateLimits {
  readonly #requestsPerHour: number | undefined;
  readonly #windows = new Map<string, Window>();

  /** `undefined`: no limit, and no x-ratelimit headers, as on Enterprise Server by default. */
  constructor(requestsPerHour: number | undefined) {
    this.#requestsPerHour = requestsPerHour;
  }

  /** Throws the 403 of an exhausted limit; counts nothing yet, because a 304 stays free. */
  assertLeft(token: string, now: EpochMs): void {
    if (this.#requestsPerHour === undefined) return;
    if (this.#window(token, now).used < this.#requestsPerHour) return;
    throw new Refusal(403, 'API rate limit exceeded for user ID 1.');
  }

  count(token: string, now: EpochMs): void {
    this.#window(token, now).used += 1;
  }

  headers(token: string, now: EpochMs): Record<string, string> {
    if (this.#requestsPerHour === undefined) return {};
    const { limit, remaining, used, reset } = this.#status(this.#window(token, now), this.#requestsPerHour);
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(remaining),
      'x-ratelimit-used': String(used),
      'x-ratelimit-reset': String(reset),
      'x-ratelimit-resource': 'core',
    };
  }

  /** Schema rate-limit-overview. */
  view(token: string, now: EpochMs, apiVersion: string): JsonObject {
    if (this.#requestsPerHour === undefined) throw new Refusal(404, 'Rate limiting is not enabled.');
    const core = this.#status(this.#window(token, now), this.#requestsPerHour);
    const search = { limit: 30, remaining: 30, used: 0, reset: core.reset };
    return { resources: { core, search }, ...(apiVersion < RUN_DETAILS_API_VERSION ? { rate: core } : {}) };
  }

  #status({ used, resetAt }: Window, limit: number) {
    return { limit, used, remaining: Math.max(0, limit - used), reset: Math.ceil(resetAt / 1000) };
  }

  #window(token: string, now: EpochMs): Window {
    const known = this.#windows.get(token);
    if (known !== undefined && now < known.resetAt) return known;
    const opened = { used: 0, resetAt: now + HOUR_MS };
    this.#windows.set(token, opened);
    return opened;
  }
}
