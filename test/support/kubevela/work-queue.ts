import type { Clock, EpochMs } from '../../../src/core/time.ts';

const firstRetryMs = 5;
const longestRetryMs = 1_000_000;

interface Item {
  isWanted: boolean;
  isRunning: boolean;
  failures: number;
  /** The earliest of the times at which it is to be worked on though nothing asks for it. */
  due: { readonly at: EpochMs; readonly cancel: () => void } | undefined;
}

/** Like client-go's: a key is worked on by one worker at a time, and once more when it was asked for meanwhile. */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #workers: number;
  /** Resolves to when the key is due again; a rejection is tried again, ever later. */
  readonly #work: (key: string) => Promise<EpochMs | undefined>;
  readonly #items = new Map<string, Item>();
  #running = 0;
  #isClosed = false;
  readonly #idle: (() => void)[] = [];

  constructor(clock: Clock, workers: number, work: (key: string) => Promise<EpochMs | undefined>) {
    this.#clock = clock;
    this.#workers = workers;
    this.#work = work;
  }

  add(key: string): void {
    if (this.#isClosed) return;
    this.#itemOf(key).isWanted = true;
    this.#startWork();
  }

  /** Resolves when nobody works and nothing is to be worked on before some time has passed. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** When the next of what is due is due. */
  get nextDue(): EpochMs | undefined {
    const times = [...this.#items.values()].flatMap(({ due }) => due?.at ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const item of this.#items.values()) {
      item.isWanted = false;
      item.due?.cancel();
      item.due = undefined;
    }
    await this.idle();
  }

  #startWork(): void {
    for (const [key, item] of this.#items) {
      if (this.#running >= this.#workers) return;
      if (item.isWanted && !item.isRunning) void this.#workOn(key, item);
    }
  }

  async #workOn(key: string, item: Item): Promise<void> {
    this.#running += 1;
    item.isRunning = true;
    item.isWanted = false;
    try {
      const again = await this.#work(key);
      item.failures = 0;
      if (again !== undefined) this.#addAt(key, item, again);
    } catch {
      // The next one does what this one could not.
      this.#addAt(key, item, this.#clock.now() + Math.min(firstRetryMs * 2 ** item.failures, longestRetryMs));
      item.failures += 1;
    } finally {
      item.isRunning = false;
      this.#running -= 1;
      this.#startWork();
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  #addAt(key: string, item: Item, at: EpochMs): void {
    if (this.#isClosed || (item.due !== undefined && item.due.at <= at)) return;
    item.due?.cancel();
    const cancel = this.#clock.at(at, () => {
      item.due = undefined;
      this.add(key);
    });
    item.due = { at, cancel };
  }

  #itemOf(key: string): Item {
    const known = this.#items.get(key);
    if (known !== undefined) return known;
    const item: Item = { isWanted: false, isRunning: false, failures: 0, due: undefined };
    this.#items.set(key, item);
    return item;
  }
}
