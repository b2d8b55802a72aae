import type { ExecutionStore } from '../../../src/core/store.ts';
import type { Clock } from '../../../src/core/time.ts';
import type { SeededRandom } from '../../support/seeded-random.ts';

const never = new Promise<never>(() => {});

export interface ProcessParts {
  readonly store: ExecutionStore;
  readonly clock: Clock;
  readonly random: SeededRandom;
  /** Whether the store fails at times. */
  readonly isStoreFaulty: () => boolean;
}

/** What an engine sees of the world while its process lives. After a kill it learns of nothing and changes nothing. */
export class ChaosProcess {
  readonly #parts: ProcessParts;
  readonly store: ExecutionStore;
  isDead = false;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    const { store } = parts;
    this.store = {
      create: (execution) => this.#write(() => store.create(execution)),
      update: (key, version, status) => this.#write(() => store.update(key, version, status)),
      delete: (key, version) => this.#write(() => store.delete(key, version)),
      deleteFinished: (rule, limit) => this.#write(() => store.deleteFinished(rule, limit)),
      get: (key) => this.alive(store.get(key)),
      list: (filter, page) => this.alive(store.list(filter, page)),
      lastSucceeded: (originStep) => this.alive(store.lastSucceeded(originStep)),
      lastWithIntent: (originStep) => this.alive(store.lastWithIntent(originStep)),
      unfinishedOf: (originStep, limit) => this.alive(store.unfinishedOf(originStep, limit)),
      countUnfinished: () => this.alive(store.countUnfinished()),
      unfinished: () => store.unfinished(),
      watch: (onChange, onDelete) =>
        store.watch(
          (execution) => this.isDead || onChange(execution),
          (execution) => this.isDead || onDelete?.(execution),
        ),
      close: () => Promise.resolve(),
    };
  }

  get clock(): Clock {
    const { clock } = this.#parts;
    return { now: () => clock.now(), at: (time, callback) => clock.at(time, () => this.isDead || callback()) };
  }

  kill(): void {
    this.isDead = true;
  }

  /** Kills come between turns of the event loop, so that a write is dropped before it is made, or its answer after. */
  async #write<T>(write: () => Promise<T>): Promise<T> {
    const { random, isStoreFaulty } = this.#parts;
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
    if (this.isDead) return never;
    if (isStoreFaulty() && random.chance(0.1)) throw new Error('disk full');
    const answer = await this.alive(write());
    if (isStoreFaulty() && random.chance(0.05)) throw new Error('the answer of the store was lost');
    if (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
    return await this.alive(Promise.resolve(answer));
  }

  /** What was asked before a kill has no answer after it. */
  async alive<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      if (this.isDead) await never;
    }
  }
}
