import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const PROBE_INTERVAL_MS = 50;
const KEPT_LOG_LINES = 30;

export interface ServerProgram {
  readonly command: string;
  readonly commandLine: readonly string[];
  /** What to do where the command is not installed. */
  readonly install: string;
  /** Resolves to true once the server answers. May throw while it does not. */
  readonly isReady: () => Promise<boolean>;
  readonly startTimeoutMs: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Told of each line that it writes. */
  readonly onLine?: (line: string) => void;
}

/** A server running as a child process. */
export interface ServerProcess {
  /** The last lines that it wrote, kept up to date: for the messages of failing tests. */
  readonly log: readonly string[];
  /** For SIGSTOP and SIGCONT. Signals that end it go through `stop`. */
  signal(signal: NodeJS.Signals): void;
  /**
   * Sends the signal and waits for the end of the process; SIGKILL goes to its own children too, which SIGTERM leaves to
   * the server. Does nothing where it has already ended.
   */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** Starts a server and waits until it is ready. Throws with the end of its log where it ends or hangs before that. */
export async function startServerProcess(program: ServerProgram): Promise<ServerProcess> {
  const { command, commandLine, install, environment, onLine } = program;
  // A process group of its own: servers with workers (nginx) would otherwise leave them behind when killed.
  const env = { ...process.env, ...environment };
  const child = spawn(command, commandLine, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env });
  const log = lastLines(child, onLine);
  const ended = once(child, 'close');
  // Nobody awaits the end of a server that is never stopped; a failure to start is awaited below.
  ended.catch(() => undefined);
  if (child.pid !== undefined) killWithUs(child, child.pid);

  const server: ServerProcess = {
    log,
    signal: (signal) => void child.kill(signal),
    async stop(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      if (signal === 'SIGKILL' && child.pid !== undefined) process.kill(-child.pid, signal);
      else child.kill(signal);
      await ended;
    },
  };

  const waiting = new AbortController();
  try {
    const started = await Promise.race([
      ended.then(
        () => 'ended' as const,
        (error) => {
          throw new Error(`cannot run ${command}: ${install}`, { cause: error });
        },
      ),
      untilReady(program.isReady, waiting.signal),
      delay(program.startTimeoutMs, 'late' as const, { signal: waiting.signal }),
    ]);
    if (started === 'ready') return server;
    await server.stop('SIGKILL');
    const what = started === 'ended' ? 'ended while starting' : `was not ready within ${program.startTimeoutMs} ms`;
    throw new Error(`${command} ${what}. The end of its log:\n${log.join('\n')}`);
  } finally {
    waiting.abort();
  }
}

/**
 * However this process ends, its pipe to the shell closes then, and the shell kills the server: an interrupted test run
 * leaves nothing behind.
 */
export function killWithUs(child: ChildProcess, pid: number): void {
  const watchdog = spawn('sh', ['-c', 'read -r _; kill -KILL "-$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Outside our process group, or a Ctrl-C would end the shell before it can do its work.
    detached: true,
  });
  watchdog.unref();
  child.once('close', () => watchdog.kill('SIGKILL'));
}

async function untilReady(isReady: () => Promise<boolean>, signal: AbortSignal): Promise<'ready'> {
  while (!(await isReady().catch(() => false))) await delay(PROBE_INTERVAL_MS, undefined, { signal });
  return 'ready';
}

/** The last lines of what the child writes, kept up to date. */
function lastLines(child: ChildProcess, onLine: ServerProgram['onLine']): readonly string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    createInterface(stream).on('line', (line) => {
      onLine?.(line);
      lines.push(line);
      if (lines.length > KEPT_LOG_LINES) lines.shift();
    });
  }
  return lines;
}
