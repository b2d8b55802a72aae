import type { Clock } from '../../core/time.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { ApiAnswer, ApiWrite, ClusterApi } from '../../providers/kubernetes/cluster-api.ts';

/** So often one write is sent when the cluster keeps asking to come back later. */
const mostTries = 5;
const longestPauseMs = 10_000;

export interface PacedWritesOptions {
  readonly api: ClusterApi;
  readonly writesPerSecond: number;
  readonly clock: Clock;
}

/**
 * Writes to one cluster, no more than it is meant to bear: at a rate of ours, and after a 429, which API priority and
 * fairness answers to who asks too much, none at all for as long as it says.
 */
export class PacedWrites {
  readonly #api: ClusterApi;
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;

  constructor({ api, writesPerSecond, clock }: PacedWritesOptions) {
    this.#api = api;
    this.#clock = clock;
    this.#bucket = new TokenBucket({ capacity: writesPerSecond, perSecond: writesPerSecond }, clock.now());
  }

  /** The last answer where that is still a 429. */
  async write(write: ApiWrite): Promise<ApiAnswer> {
    for (let tries = 1; ; tries++) {
      await this.#takeTurn();
      const answer = await this.#api.write(write);
      if (answer.status !== 429) return answer;
      const pauseMs = Math.min((answer.retryAfterSeconds ?? 1) * 1_000, longestPauseMs);
      this.#bucket.emptyUntil(this.#clock.now() + pauseMs, 1);
      if (tries === mostTries) return answer;
    }
  }

  async #takeTurn(): Promise<void> {
    const now = this.#clock.now();
    const waitMs = this.#bucket.waitMs(1, now);
    this.#bucket.take(1, now);
    if (waitMs > 0) await new Promise<void>((resolve) => void this.#clock.at(now + waitMs, resolve));
  }
}
