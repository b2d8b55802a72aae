import type { Measurement, Progress } from './bench.ts';

/**
 * Measures both sides in turns, so that whatever else the machine does meets both, and takes the medians.
 */
export async function alternate(sides: {
  readonly rounds: number;
  readonly ours: () => Promise<number>;
  readonly reference: () => Promise<number>;
  readonly progress: Progress;
}): Promise<Required<Measurement>> {
  const values: number[] = [];
  const references: number[] = [];
  for (let round = 1; round <= sides.rounds; round++) {
    sides.progress(`round ${round} of ${sides.rounds}`);
    values.push(await sides.ours());
    references.push(await sides.reference());
  }
  return { value: median(values), reference: median(references) };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [upper = Number.NaN, lower = upper] = [sorted[middle], sorted[middle - 1]];
  return sorted.length % 2 === 1 ? upper : (lower + upper) / 2;
}
