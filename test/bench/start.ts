import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createAftersyncFolder } from './aftersync-folder.ts';
import { alternate } from './alternate.ts';
import type { Bench } from './bench.ts';
import { bareExpressProgram } from './compare-under-load.ts';
import { startServerChild } from './server-child.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const cli = join(repository, 'dist/cli.js');

/** From the start of the process to the first answer, not the first start: by then Node has a cache of our code. */
export const start: Bench = {
  title: 'second start of `aftersync serve` until /readyz answers 200, against the first answer of a bare express app',
  unit: 'ms',
  bound: { of: 'ratio', direction: 'at most', limit: 2.5 },

  async measure({ rounds }, progress) {
    progress('building dist');
    await promisify(execFile)('npm', ['run', 'build'], { cwd: repository });
    await using folder = await createAftersyncFolder();
    // Where Node keeps its compile cache unless told otherwise: an empty one of our own, which the first start fills.
    const environment = { TMPDIR: join(folder.path, 'tmp') };
    await mkdir(environment.TMPDIR);
    const ours = () => timeToReadyMs([cli, 'serve', '--config', folder.configFile], environment);
    const reference = () => timeToReadyMs([bareExpressProgram, '{}'], environment);
    progress('first start');
    await ours();
    await reference();
    return await alternate({ rounds: 2 * rounds, ours, reference, progress });
  },
};

async function timeToReadyMs(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<number> {
  const startedAt = performance.now();
  const server = await startServerChild(args, environment);
  const { status } = await fetch(`${server.url}/readyz`);
  const tookMs = performance.now() - startedAt;
  // Node writes its cache when the process ends by itself.
  await server.stop('SIGTERM');
  if (status !== 200) throw new Error(`/readyz of ${args.join(' ')} answered ${status}`);
  return tookMs;
}
