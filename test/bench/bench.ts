/** How much is measured. Every bench is given the same, so that a quick run is quick as a whole. */
export interface Scale {
  /** How often ours and the reference take turns; the medians count. */
  readonly rounds: number;
  /** How long one side is under load in a round. */
  readonly roundMs: number;
  /** How many executions wait, or are recovered. */
  readonly executions: number;
}

export const fullScale: Scale = { rounds: 5, roundMs: 1_500, executions: 100_000 };
/** Shows that everything runs. The numbers mean little. */
export const quickScale: Scale = { rounds: 1, roundMs: 100, executions: 1_000 };

/** `reference` is what the same work came to on the other side, in the same run and unit. */
export interface Measurement {
  readonly value: number;
  readonly reference?: number;
}

/** What the measurement is held to. */
export interface Bound {
  readonly of: 'value' | 'ratio';
  readonly direction: 'at least' | 'at most';
  readonly limit: number;
}

export interface Bench {
  /** One line: what is measured, against what. */
  readonly title: string;
  readonly unit: string;
  readonly bound: Bound;
  measure(scale: Scale, progress: Progress): Promise<Measurement>;
}

/** Says what goes on, in a few words. */
export type Progress = (doing: string) => void;

/** One line of `--json`; null where a bench has no reference. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly reference: number | null;
  /** value / reference. */
  readonly ratio: number | null;
  /** In words, such as `ratio >= 1.2`. */
  readonly bound: string;
  readonly verdict: 'ok' | 'missed';
}

export function toResult(name: string, bench: Bench, { value, reference }: Measurement): Result {
  const { unit, bound } = bench;
  const ratio = reference === undefined ? null : value / reference;
  const held = bound.of === 'value' ? value : (ratio ?? Number.NaN);
  const isMet = bound.direction === 'at least' ? held >= bound.limit : held <= bound.limit;
  return {
    name,
    value: rounded(value),
    unit,
    reference: reference === undefined ? null : rounded(reference),
    ratio: ratio === null ? null : rounded(ratio),
    bound: boundInWords(bench),
    verdict: isMet ? 'ok' : 'missed',
  };
}

export function boundInWords({ unit, bound }: Bench): string {
  const { of, direction, limit } = bound;
  const sign = direction === 'at least' ? '>=' : '<=';
  return of === 'ratio' ? `ratio ${sign} ${limit}` : `${sign} ${limit} ${unit}`;
}

/** Four digits at least: more would be noise. */
function rounded(value: number): number {
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
}
