import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a Node program to its end and reads the JSON that it prints. A process of its own, so that nothing else is in it. */
export async function nodeJson<T>(args: readonly string[]): Promise<T> {
  const { stdout } = await run(process.execPath, args, { timeout: 120_000, killSignal: 'SIGKILL' });
  return JSON.parse(stdout) as T;
}
