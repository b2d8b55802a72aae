import type { Clock, EpochMs } from '../../core/time.ts';

interface Kept<T> {
  readonly value: T;
  /** It is of no use from then on. */
  readonly until: EpochMs;
}

/** A value that is fetched when it is needed, once for all who ask meanwhile, and kept for as long as it is of use. */
export class KeptValue<T> {
  readonly #clock: Clock;
  readonly #fetch: () => Promise<Kept<T>>;
  #kept: Kept<T> | undefined;
  #fetching: Promise<T> | undefined;

  constructor(clock: Clock, fetch: () => Promise<Kept<T>>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  async get(): Promise<T> {
    if (this.#kept !== undefined && this.#clock.now() < this.#kept.until) return this.#kept.value;
    this.#fetching ??= this.#renew().finally(() => {
      this.#fetching = undefined;
    });
    return await this.#fetching;
  }

  /** It turned out to be of no use. One that was fetched since stays. */
  drop(value: T): void {
    if (this.#kept?.value === value) this.#kept = undefined;
  }

  async #renew(): Promise<T> {
    this.#kept = await this.#fetch();
    return this.#kept.value;
  }
}
