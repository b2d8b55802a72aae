import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './alternate.ts';
import type { Bench } from './bench.ts';
import { nodeJson } from './node-json.ts';

const program = fileURLToPath(new URL('recover-program.ts', import.meta.url));

export const recover: Bench = {
  title: 'time from opening a store until its 100,000 unfinished executions are back in the schedule',
  unit: 'ms',
  bound: { of: 'value', direction: 'at most', limit: 2_000 },
  async measure({ rounds, executions }, progress) {
    progress(`making ${executions} executions wait`);
    await using folder = await mkdtempDisposable(join(tmpdir(), 'aftersync-bench-'));
    const store = join(folder.path, 'aftersync.db');
    await nodeJson([program, 'fill', store, String(executions)]);
    const times: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      progress(`start ${round} of ${rounds}`);
      const { tookMs, scheduled } = await nodeJson<{ tookMs: number; scheduled: number }>([program, 'recover', store]);
      if (scheduled !== executions) throw new Error(`${scheduled} of ${executions} executions came back`);
      times.push(tookMs);
    }
    return { value: median(times) };
  },
};
