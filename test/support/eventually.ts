import { setImmediate } from 'node:timers/promises';

/** Long enough for a busy machine; who waits that long has found a mistake. */
const LIMIT_MS = 120_000;

/** Asks again and again until the answer is good. For what another process does without telling. Throws with the last answer. */
export async function eventually<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await ask();
    if (isGood(answer)) return answer;
    // What is asked may answer at once: everything else goes on meanwhile.
    await setImmediate();
    if (performance.now() - startedAt > LIMIT_MS) {
      throw new Error(`still not so after ${LIMIT_MS} ms; the last answer: ${JSON.stringify(answer)}`);
    }
  }
}
