import { NotSent } from '../../core/effect.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import { TokenBucket } from '../../core/token-bucket.ts';
import type { CdnLimits, CdnProvider, PurgeKind } from './provider.ts';

/** A send may wait so long for its turn; for longer waits the execution is put to sleep. */
const longestWaitMs = 1_000;

/** A part of a purge, for estimating. */
export interface Load {
  readonly kind: PurgeKind;
  readonly items: number;
  readonly calls: number;
}

/** One connection's rate limits, in memory: after a restart they count as full, and the provider's 429 corrects that. */
export class RateLimits {
  readonly #provider: CdnProvider;
  readonly #rates: CdnLimits['rates'];
  readonly #buckets: ReadonlyMap<string, TokenBucket>;
  readonly #clock: Clock;

  constructor(provider: CdnProvider, rates: CdnLimits['rates'], clock: Clock) {
    this.#provider = provider;
    this.#rates = rates;
    this.#clock = clock;
    this.#buckets = new Map(Object.entries(rates).map(([name, rate]) => [name, new TokenBucket(rate, clock.now())]));
  }

  /** Resolves when a call of that kind may go out; NotSent with the time where that takes longer than a second. */
  async takeTurn(kind: PurgeKind, items: number): Promise<void> {
    const now = this.#clock.now();
    const waits = this.#of(kind).map(({ name, bucket }) => ({
      name,
      ms: bucket.waitMs(this.#tokens(name, items, 1), now),
    }));
    const [longest] = waits.toSorted((left, right) => right.ms - left.ms);
    const waitMs = longest?.ms ?? 0;
    if (waitMs > longestWaitMs) {
      // The same words each time, since KubeVela polls each second while a message changes.
      throw new NotSent(`waiting for the ${this.#provider.type} rate limit "${longest?.name}"`, {
        notBefore: now + waitMs,
      });
    }
    for (const { name, bucket } of this.#of(kind)) bucket.take(this.#tokens(name, items, 1), now);
    if (waitMs > 0) await new Promise<void>((resolve) => void this.#clock.at(now + waitMs, resolve));
  }

  /** The provider wants nothing before that time, whatever was counted here. */
  heed(notBefore: EpochMs, kind: PurgeKind, items: number): void {
    for (const { name, bucket } of this.#of(kind)) bucket.emptyUntil(notBefore, this.#tokens(name, items, 1));
  }

  /** The time that full buckets force. */
  secondsFor(loads: readonly Load[]): number {
    const seconds = Object.entries(this.#rates).map(([name, { capacity, perSecond }]) => {
      const counted = loads.filter(({ kind }) => this.#ratesOf(kind).includes(name));
      const tokens = counted.reduce((sum, { items, calls }) => sum + this.#tokens(name, items, calls), 0);
      return Math.max(0, tokens - capacity) / perSecond;
    });
    return Math.max(0, ...seconds);
  }

  #of(kind: PurgeKind): { readonly name: string; readonly bucket: TokenBucket }[] {
    return this.#ratesOf(kind).flatMap((name) => {
      const bucket = this.#buckets.get(name);
      return bucket === undefined ? [] : [{ name, bucket }];
    });
  }

  #ratesOf(kind: PurgeKind): readonly string[] {
    return this.#provider.kinds[kind]?.rates ?? [];
  }

  #tokens(rate: string, items: number, calls: number): number {
    return this.#provider.rates[rate]?.counts === 'items' ? items : calls;
  }
}
