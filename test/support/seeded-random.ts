/** Random choices that are the same for the same seed, so that a failure can be run again. */
export interface SeededRandom {
  /** A whole number from 0 up to, but without, the bound. */
  below(bound: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly [T, ...T[]]): T;
}

/** mulberry32: 32 bits of state are enough for tests. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound: number) => Math.floor(next() * bound);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (choices) => choices[below(choices.length)] ?? choices[0],
  };
}

/** AFTERSYNC_TEST_SEED, to run a failure again, or another one each time. Print it. */
export function chooseSeed(): number {
  return Number(process.env.AFTERSYNC_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
}
