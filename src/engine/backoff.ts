const firstMs = 1_000;
const longestMs = 60_000;

/** Full jitter over 1 s × 2ⁿ, at most a minute, in whole milliseconds as times are stored. `failures` counts from 1. */
export function backoffMs(failures: number, random: () => number): number {
  return Math.round(random() * Math.min(longestMs, firstMs * 2 ** (failures - 1)));
}
