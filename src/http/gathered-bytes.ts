/** How much of a body is read. */
export interface BodyBounds {
  readonly mostBytes: number;
  /** Asked before so much more memory is used for a body that comes in pieces; false: there is none left. */
  readonly take: (bytes: number) => boolean;
}

/** Shared, since most bodies come whole and need no buffer. */
const nothing = Buffer.alloc(0);

/**
 * The pieces of a body in one buffer, as they come. Kept apart, each would take some 700 bytes beside what is in it, and a
 * sender may cut a body into single bytes.
 */
export class GatheredBytes {
  readonly #bounds: BodyBounds;
  #buffer: Buffer = nothing;
  #length = 0;

  constructor(bounds: BodyBounds) {
    this.#bounds = bounds;
  }

  /** What was added so far. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** False where the memory for it is not to be had. All pieces together may not have more than the most bytes. */
  add(piece: Buffer): boolean {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length && !this.#growTo(length)) return false;
    piece.copy(this.#buffer, this.#length);
    this.#length = length;
    return true;
  }

  #growTo(neededBytes: number): boolean {
    const { mostBytes, take } = this.#bounds;
    const size = Math.min(mostBytes, Math.max(2 * this.#buffer.length, neededBytes));
    if (!take(size - this.#buffer.length)) return false;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    return true;
  }
}
