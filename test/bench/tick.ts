import type { Bench } from './bench.ts';
import { compareUnderLoad } from './compare-under-load.ts';
import { stepRequest } from './step-request.ts';

const known = Array.from({ length: 1_000 }, (_, index) => stepRequest(`tick${String(index).padStart(6, '0')}`));

/** A workflow engine repeats its request at every tick until the step has ended: most of all load is this. */
export const tick: Bench = {
  title: 'repeated PUT of 1,000 known executions over 64 connections, against a bare express app with a Map',
  unit: 'answers/s',
  bound: { of: 'ratio', direction: 'at least', limit: 1.2 },
  measure: (scale, progress) =>
    compareUnderLoad({ before: known, requests: repeated(known), expectedStatus: 200 }, scale, progress),
};

export function* repeated(requests: readonly string[]): Generator<string> {
  for (;;) yield* requests;
}
