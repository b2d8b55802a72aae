import type { Bench } from './bench.ts';
import { compareUnderLoad } from './compare-under-load.ts';
import { stepRequest } from './step-request.ts';

/**
 * Each answer of ours tells of a record that is on the disk. The steps' provider does not answer meanwhile, so that as
 * many executions advance as may at once and the others wait for their turn: what is measured is recording, not GitHub.
 */
export const create: Bench = {
  title: 'PUT of new executions over 64 connections, recorded on disk, against a bare express app with a Map',
  unit: 'creates/s',
  bound: { of: 'ratio', direction: 'at least', limit: 0.8 },
  measure(scale, progress) {
    // More and shorter rounds: all of them together must not reach the most that may be unfinished at once.
    const short = { ...scale, rounds: 2 * scale.rounds, roundMs: scale.roundMs / 3 };
    return compareUnderLoad({ requests: newExecutions(), expectedStatus: 201, warmUpRounds: 5 }, short, progress);
  },
};

function* newExecutions(): Generator<string> {
  for (let count = 0; ; count++) yield stepRequest(`new${String(count).padStart(7, '0')}`);
}
