import { PassThrough, Readable, Writable } from 'node:stream';
import { main } from '../../src/cli/main.ts';
import type { OutputStream } from '../../src/cli/terminal.ts';

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly server?: string;
  readonly stdin?: string;
  readonly cwd?: string;
  /** What Ctrl-C would abort. */
  readonly interrupted?: AbortSignal;
}

/** Keeps what is written; pretends to be a terminal of that width where one is given. */
export class CapturedOutput extends Writable implements OutputStream {
  text = '';
  readonly isTTY?: boolean;
  readonly columns?: number;
  #waiting: { readonly part: string; readonly resolve: () => void }[] = [];

  constructor(columns?: number) {
    super();
    if (columns === undefined) return;
    this.isTTY = true;
    this.columns = columns;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk;
    for (const { part, resolve } of this.#waiting) if (this.text.includes(part)) resolve();
    done();
  }

  /** Resolves when this has been written. */
  async wrote(part: string): Promise<void> {
    if (this.text.includes(part)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ part, resolve });
    await promise;
  }
}

/** Starts a command line in this process. */
export function start(args: readonly string[], surroundings: Surroundings = {}) {
  const { server, cwd = '/', stdin, interrupted = new AbortController().signal } = surroundings;
  const stdout = new CapturedOutput();
  const stderr = new CapturedOutput();
  const ended = main({
    args: [...args, ...(server === undefined ? [] : ['--server', server])],
    session: {
      stdin: stdin === undefined ? new PassThrough() : Readable.from([Buffer.from(stdin)]),
      stdout,
      stderr,
      cwd,
      interruption: () => interrupted,
    },
  }).then((exitCode): Ended => ({ exitCode, stdout: stdout.text, stderr: stderr.text }));
  return { stdout, stderr, ended };
}

/** Runs a command line to its end. */
export function execute(args: readonly string[], surroundings?: Surroundings): Promise<Ended> {
  return start(args, surroundings).ended;
}
