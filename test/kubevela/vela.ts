import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { CannotStart } from './arguments.ts';

/** `vela addon enable` gives up after 10 minutes by itself. */
const timeoutMs = 11 * 60_000;

/** Runs KubeVela's command line and returns what it printed. Throws with that where it fails. */
export async function vela(commandLine: readonly string[], signal?: AbortSignal): Promise<string> {
  const limit = AbortSignal.timeout(timeoutMs);
  const child = spawn('vela', commandLine, {
    // It would ask questions where it had somebody to ask.
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  });
  const [code, stdout, stderr] = await Promise.all([exitCode(child), text(child.stdout), text(child.stderr)]);
  if (code === 0) return stdout;
  throw new Error(`vela ${commandLine.join(' ')} failed:\n${`${stdout}${stderr}`.trim()}`);
}

async function exitCode(child: ReturnType<typeof spawn>): Promise<number | null> {
  try {
    const [code] = await once(child, 'close');
    return code;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new CannotStart(
      'vela is not on PATH: https://kubevela.io/docs/installation/kubernetes says how to install it',
    );
  }
}
