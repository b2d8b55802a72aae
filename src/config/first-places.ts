/** Remembers where each of the things that may be there once was seen first. */
export class FirstPlaces {
  readonly #places = new Map<unknown, string>();

  /** Where the key was seen before, as people read places; undefined for the first time. */
  firstOf(key: unknown, place: string): string | undefined {
    const first = this.#places.get(key);
    if (first === undefined) this.#places.set(key, place);
    return first;
  }
}
