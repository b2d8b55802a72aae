import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './bench.ts';
import { nodeJson } from './node-json.ts';

const program = fileURLToPath(new URL('waiting-program.ts', import.meta.url));

export const waiting: Bench = {
  title: 'heap and external memory of the engine for one waiting execution, at 100,000 of them',
  unit: 'bytes',
  bound: { of: 'value', direction: 'at most', limit: 2_000 },
  async measure({ executions }, progress) {
    progress(`making ${executions} executions wait`);
    await using folder = await mkdtempDisposable(join(tmpdir(), 'aftersync-bench-'));
    const store = join(folder.path, 'aftersync.db');
    const args = ['--expose-gc', program, store, String(executions)];
    return { value: (await nodeJson<{ bytesPerExecution: number }>(args)).bytesPerExecution };
  },
};
