/** Remembers where each of the things that may be there once was seen first. */
export class FirstPlaces {
  readonly #pointers = new Map<unknown, string>();

  /** Where the key was seen before; undefined for the first time. */
  firstOf(key: unknown, pointer: string): string | undefined {
    const first = this.#pointers.get(key);
    if (first === undefined) this.#pointers.set(key, pointer);
    return first;
  }
}
