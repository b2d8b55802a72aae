import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { killWithUs } from '../support/server-process.ts';

/** A server in a process of its own. */
export interface ServerChild extends AsyncDisposable {
  readonly url: string;
  /** SIGTERM lets it end as it does for its users; without, it is killed. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts a Node program and waits for the line in which it tells its address. */
export async function startServerChild(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerChild> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    // A process group of its own, which killWithUs kills.
    detached: true,
  });
  if (child.pid !== undefined) killWithUs(child, child.pid);
  const ended = once(child, 'close');
  const lines: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    for (const output of [child.stdout, child.stderr]) {
      createInterface(output).on('line', (line) => {
        const found = /http:\/\/127\.0\.0\.1:[0-9]+/.exec(line);
        if (found !== null) resolve(found[0]);
        else if (lines.length < 30) lines.push(line);
      });
    }
    const fail = () => reject(new Error(`node ${args.join(' ')} ended before it served:\n${lines.join('\n')}`));
    ended.then(fail, reject);
  });
  async function stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    child.kill(signal);
    await ended;
  }
  return { url, stop, [Symbol.asyncDispose]: () => stop() };
}
