import { NotSent } from '../../core/effect.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import { wordsOf } from './answer-words.ts';
import type { GitHubAnswer } from './octokit-transport.ts';

const firstPauseMs = 60_000;
const longestPauseMs = 15 * 60_000;

/**
 * What GitHub lets this credential do, as its answers tell it. Shared by all executions of a connection, so that one
 * refusal silences all of them: who goes on asking while limited may be shut out altogether.
 * Source: docs.github.com, "Rate limits for the REST API" and "Best practices for using the REST API".
 */
export class RateBudget {
  readonly #clock: Clock;
  #limit: number | undefined;
  #remaining: number | undefined;
  #resetAt: EpochMs = 0;
  #notBefore: EpochMs = 0;
  /** Refusals in a row that did not say how long to wait. */
  #unexplained = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws NotSent while GitHub wants to hear nothing. */
  requireOpen(): void {
    if (this.#clock.now() >= this.#notBefore) return;
    throw new NotSent('waiting for the end of the rate limit of GitHub', { notBefore: this.#notBefore });
  }

  /** Takes in what any answer tells. NotSent comes back where it is the refusal of a rate limit. */
  note(answer: GitHubAnswer): NotSent | undefined {
    this.#noteQuota(answer);
    if (!isRateLimit(answer)) {
      if (answer.status < 400) this.#unexplained = 0;
      return undefined;
    }
    this.#notBefore = Math.max(this.#notBefore, this.#pauseEnd(answer));
    const words = `GitHub's rate limit was reached (${answer.status} ${wordsOf(answer)})`;
    return new NotSent(words, { notBefore: this.#notBefore });
  }

  /** A poll interval, longer where little is left: the last of the budget is for starting and cancelling runs. */
  stretch(intervalMs: number): number {
    const now = this.#clock.now();
    if (this.#limit === undefined || this.#remaining === undefined || now >= this.#resetAt) return intervalMs;
    const share = this.#remaining / this.#limit;
    if (share >= 0.2) return intervalMs;
    if (share >= 0.02) return intervalMs * (share >= 0.1 ? 2 : 4);
    return Math.max(intervalMs, this.#resetAt - now);
  }

  #noteQuota({ headers }: GitHubAnswer): void {
    if ((headers['x-ratelimit-resource'] ?? 'core') !== 'core') return;
    const limit = numberIn(headers['x-ratelimit-limit']);
    const remaining = numberIn(headers['x-ratelimit-remaining']);
    if (limit === undefined || remaining === undefined || limit === 0) return;
    this.#limit = limit;
    this.#remaining = remaining;
    this.#resetAt = this.#resetTime(headers) ?? 0;
  }

  #pauseEnd({ headers }: GitHubAnswer): EpochMs {
    const now = this.#clock.now();
    const seconds = numberIn(headers['retry-after']);
    if (seconds !== undefined) return now + seconds * 1_000;
    const resetAt = headers['x-ratelimit-remaining'] === '0' ? this.#resetTime(headers) : undefined;
    if (resetAt !== undefined) return Math.max(resetAt, now + 1_000);
    const pauseMs = Math.min(firstPauseMs * 2 ** this.#unexplained, longestPauseMs);
    this.#unexplained += 1;
    return now + pauseMs;
  }

  /** By our clock, however wrong it is: GitHub's own time stands beside its reset time. */
  #resetTime(headers: GitHubAnswer['headers']): EpochMs | undefined {
    const resetSeconds = numberIn(headers['x-ratelimit-reset']);
    if (resetSeconds === undefined) return undefined;
    const now = this.#clock.now();
    const serverNow = Date.parse(headers.date ?? '');
    return resetSeconds * 1_000 + (Number.isNaN(serverNow) ? 0 : now - serverNow);
  }
}

/** A 403 is also what a missing permission gets; the text is the one that GitHub documents for secondary limits. */
function isRateLimit(answer: GitHubAnswer): boolean {
  if (answer.status === 429) return true;
  if (answer.status !== 403) return false;
  const { headers } = answer;
  return (
    headers['retry-after'] !== undefined ||
    headers['x-ratelimit-remaining'] === '0' ||
    /rate limit/i.test(wordsOf(answer))
  );
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
