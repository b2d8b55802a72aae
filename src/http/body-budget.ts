/** How much of the bodies of strangers is in memory at once, however many send them and however slowly. */
export class BodyBudget {
  #freeBytes: number;

  constructor(mostBytes: number) {
    this.#freeBytes = mostBytes;
  }

  /** Gives back, with the end of `use`, all that was taken by it. `take`: false where so many bytes are not free. */
  async share<T>(use: (take: (bytes: number) => boolean) => Promise<T>): Promise<T> {
    let takenBytes = 0;
    try {
      return await use((bytes) => {
        if (bytes > this.#freeBytes) return false;
        this.#freeBytes -= bytes;
        takenBytes += bytes;
        return true;
      });
    } finally {
      this.#freeBytes += takenBytes;
    }
  }
}
