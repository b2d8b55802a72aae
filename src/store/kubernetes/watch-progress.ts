import type { Clock } from '../../core/time.ts';

interface Waiter {
  readonly resourceVersion: bigint;
  readonly resolve: () => void;
}

/** How far a watch has come. Resource versions are numbers that grow (KEP-5504), in the order of all writes. */
export class WatchProgress {
  readonly #clock: Clock;
  #seen = 0n;
  #waiters: Waiter[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** All up to here was seen. */
  reached(resourceVersion: string): void {
    const reached = BigInt(resourceVersion);
    if (reached <= this.#seen) return;
    this.#seen = reached;
    const [over, waiting] = [[] as Waiter[], [] as Waiter[]];
    for (const waiter of this.#waiters) (waiter.resourceVersion <= reached ? over : waiting).push(waiter);
    this.#waiters = waiting;
    for (const { resolve } of over) resolve();
  }

  /** Resolves when all that was written up to there was seen. Rejects after the limit. */
  async until(resourceVersion: bigint, limitMs: number): Promise<void> {
    if (resourceVersion <= this.#seen) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { resourceVersion, resolve };
    this.#waiters.push(waiter);
    const cancel = this.#clock.at(this.#clock.now() + limitMs, () => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      reject(new Error(`the watch of executions lags behind by more than ${limitMs} ms`));
    });
    await promise.finally(cancel);
  }
}
