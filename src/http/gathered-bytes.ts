/**
 * The pieces of a body in one buffer, as they come. Kept apart, each would take some 700 bytes beside what is in it, and a
 * sender may cut a body into single bytes.
 */
export class GatheredBytes {
  readonly #mostBytes: number;
  readonly #take: (bytes: number) => boolean;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  /** `take` is asked before so many more bytes of memory are used; false: there are none left. */
  constructor(options: { readonly mostBytes: number; readonly take: (bytes: number) => boolean }) {
    this.#mostBytes = options.mostBytes;
    this.#take = options.take;
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
    const size = Math.min(this.#mostBytes, Math.max(2 * this.#buffer.length, neededBytes));
    if (!this.#take(size - this.#buffer.length)) return false;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    return true;
  }
}
