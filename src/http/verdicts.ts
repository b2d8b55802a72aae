import { LruMap } from '../core/lru-map.ts';
import { Problem } from '../core/problem.ts';
import type { Clock, EpochMs } from '../core/time.ts';

/** Beyond these the authority is not asked: whoever makes up tokens could have us flood it. */
const mostUnderWay = 100;
const retryAfterSeconds = 5;

export interface VerdictsOptions {
  readonly clock: Clock;
  /** How long what was said counts, from when it was asked. */
  readonly keepYesMs: number;
  readonly keepNoMs: number;
  /** How many of each are kept. */
  readonly most: number;
}

interface Kept<T> {
  readonly verdict: T;
  readonly until: EpochMs;
}

/**
 * What a slow authority said, kept for a while; undefined and false are a no. One question at a time for each key. A no
 * has a place of its own, so that made-up keys, of which there are any number, push out no yes.
 */
export class Verdicts<T> {
  readonly #options: VerdictsOptions;
  readonly #yes: LruMap<string, Kept<T>>;
  readonly #no: LruMap<string, Kept<T>>;
  readonly #underWay = new Map<string, Promise<T>>();

  constructor(options: VerdictsOptions) {
    this.#options = options;
    this.#yes = new LruMap(options.most);
    this.#no = new LruMap(options.most);
  }

  /** Problem `unavailable` where the authority throws, or is asked too much. */
  async of(key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.#options.clock.now();
    const kept = [this.#yes.get(key), this.#no.get(key)].find((each) => each !== undefined && now < each.until);
    return kept === undefined ? await this.#asked(key, ask, now) : kept.verdict;
  }

  #asked(key: string, ask: () => Promise<T>, now: EpochMs): Promise<T> {
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) return underWay;
    if (this.#underWay.size >= mostUnderWay) {
      const detail = `${mostUnderWay} questions about callers wait for the cluster; send the same request again`;
      throw new Problem('unavailable', detail, { retryAfterSeconds });
    }
    const asking = this.#ask(key, ask, now).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asking);
    return asking;
  }

  async #ask(key: string, ask: () => Promise<T>, askedAt: EpochMs): Promise<T> {
    const { keepYesMs, keepNoMs } = this.#options;
    try {
      const verdict = await ask();
      const isYes = verdict !== undefined && verdict !== false;
      (isYes ? this.#yes : this.#no).set(key, { verdict, until: askedAt + (isYes ? keepYesMs : keepNoMs) });
      return verdict;
    } catch (cause) {
      const detail = 'the cluster cannot be asked who calls and what they may do; send the same request again';
      throw new Problem('unavailable', detail, { cause, retryAfterSeconds });
    }
  }
}
