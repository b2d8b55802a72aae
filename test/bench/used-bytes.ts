/** Of heap and external memory, once the garbage is gone. Needs --expose-gc. */
export async function usedBytes(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('run this with --expose-gc');
  for (let i = 0; i < 3; i++) {
    // What the last turn of the event loop held must be let go first.
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
