/** The turns of one namespace. */
interface Lane<T> {
  waiting: T[];
  /** Where the next one stands: a shift would move all behind it. */
  next: number;
  running: number;
}

/**
 * Whose turn is next: the namespaces take turns, and none has more than its share under way. A tenant whose provider
 * hangs, or who asks for thousands, keeps the others waiting no longer than it has to.
 */
export class FairQueue<T extends { readonly namespace: string }> {
  readonly #mostRunning: number;
  /** The one whose turn is next comes first. */
  readonly #lanes = new Map<string, Lane<T>>();
  #size = 0;

  /** `mostRunning`: of one namespace. */
  constructor(mostRunning: number) {
    this.#mostRunning = mostRunning;
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    const lane = this.#lanes.get(item.namespace) ?? { waiting: [], next: 0, running: 0 };
    this.#lanes.set(item.namespace, lane);
    lane.waiting.push(item);
    this.#size += 1;
  }

  /** Undefined: nobody waits who may run now. */
  take(): T | undefined {
    for (const [namespace, lane] of this.#lanes) {
      const item = lane.waiting[lane.next];
      if (item === undefined || lane.running >= this.#mostRunning) continue;
      lane.running += 1;
      dropFirst(lane);
      this.#size -= 1;
      this.#lanes.delete(namespace);
      this.#lanes.set(namespace, lane);
      return item;
    }
    return undefined;
  }

  /** What was taken runs no more. */
  end({ namespace }: T): void {
    const lane = this.#lanes.get(namespace);
    if (lane === undefined) return;
    lane.running -= 1;
    if (lane.running === 0 && lane.waiting.length === 0) this.#lanes.delete(namespace);
  }
}

function dropFirst<T>(lane: Lane<T>): void {
  lane.next += 1;
  if (lane.next < lane.waiting.length && lane.next <= 10_000) return;
  lane.waiting = lane.waiting.slice(lane.next);
  lane.next = 0;
}
