/** A map that forgets what was set or got longest ago once it holds more than `capacity`, and tells of it. */
export class LruMap<K, V> {
  readonly #capacity: number;
  readonly #onForget: (key: K, value: V) => void;
  readonly #entries = new Map<K, V>();

  constructor(capacity: number, onForget: (key: K, value: V) => void = () => {}) {
    this.#capacity = capacity;
    this.#onForget = onForget;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#capacity) return;
    const oldest = this.#entries.entries().next();
    if (oldest.done === true) return;
    const [forgotten, its] = oldest.value;
    this.#entries.delete(forgotten);
    this.#onForget(forgotten, its);
  }

  /** Nobody is told. */
  delete(key: K): void {
    this.#entries.delete(key);
  }

  values(): Iterable<V> {
    return this.#entries.values();
  }
}
