import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import { cacheFolder } from './cache-folder.ts';
import { exclusively } from './exclusively.ts';

const PROGRESS_INTERVAL_MS = 10_000;
const KEPT_OUTPUT_LINES = 40;

/** Where lines about a long build go. Standard error, because standard output may belong to a test reporter. */
export type Report = (line: string) => void;
const reportToStderr: Report = (line) => void process.stderr.write(`${line}\n`);

export interface GoProgram {
  /** File name of the program, for example `kube-apiserver`. */
  readonly name: string;
  readonly version: string;
  /** Import path of the main package. */
  readonly mainPackage: string;
  readonly ldflags: string;
  /** What to tell people before the first build, for example "about 8 minutes". */
  readonly expectedDuration: string;
  /** Writes go.mod, and go.sum if there is one to copy, for the build into an empty folder. */
  readonly writeModule: (folder: string) => Promise<void>;
}

/** Builds a Go program once per user and version. Returns the path of the executable. */
export async function ensureGoProgram(program: GoProgram, report: Report = reportToStderr): Promise<string> {
  const title = `${program.name} ${program.version}`;
  const folder = cacheFolder(`${program.name}-${program.version}`);
  const executable = join(folder, program.name);
  if (existsSync(executable)) return executable;

  const onWait = () => report(`${title}: another process is building it, waiting for that`);
  return exclusively(
    join(folder, 'build.lock'),
    async () => {
      // Whoever held the lock before us has probably built it.
      if (!existsSync(executable)) await build(program, executable, (line) => report(`${title}: ${line}`));
      return executable;
    },
    { onWait },
  );
}

async function build(program: GoProgram, executable: string, report: Report): Promise<void> {
  const startedAt = performance.now();
  const elapsed = () => `${Math.round((performance.now() - startedAt) / 1000)} s`;
  const done = { downloaded: 0, compiled: 0 };
  report(`building with the Go toolchain, once (${program.expectedDuration})`);
  const progress = setInterval(
    () => report(`${elapsed()}, ${done.downloaded} modules downloaded, ${done.compiled} packages compiled`),
    PROGRESS_INTERVAL_MS,
  );

  const folder = join(executable, '..');
  await mkdir(folder, { recursive: true });
  const workFolder = await mkdtemp(join(folder, 'build-'));
  try {
    await program.writeModule(workFolder);
    const built = join(workFolder, program.name);
    const compile = [
      'build',
      '-mod=mod',
      '-p',
      '2',
      '-v',
      '-ldflags',
      program.ldflags,
      '-o',
      built,
      program.mainPackage,
    ];
    await runGo(compile, {
      folder: workFolder,
      onLine: (line) => {
        if (line.startsWith('go: downloading')) done.downloaded++;
        else done.compiled++;
      },
    });
    // A rename within one folder's file system is atomic: nobody ever sees half an executable.
    await rename(built, executable);
  } finally {
    clearInterval(progress);
    await rm(workFolder, { recursive: true, force: true });
  }
  report(`built in ${elapsed()}`);
}

interface GoRun {
  readonly folder: string;
  readonly onLine?: (line: string) => void;
}

/** Runs `go`, at low priority since whoever builds is usually also working. Returns its standard output. */
export async function runGo(commandLine: readonly string[], { folder, onLine }: GoRun): Promise<string> {
  const env = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' };
  const go = spawn('go', commandLine, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lastLines: string[] = [];
  createInterface(go.stderr).on('line', (line) => {
    lastLines.push(line);
    if (lastLines.length > KEPT_OUTPUT_LINES) lastLines.shift();
    onLine?.(line);
  });
  const [output] = await Promise.all([text(go.stdout), exited(go, () => lastLines.join('\n'))]);
  return output;
}

async function exited(go: ChildProcess, lastOutput: () => string): Promise<void> {
  go.once('spawn', () => lowerPriority(go));
  const [exitCode] = await once(go, 'close').catch((error: NodeJS.ErrnoException) => {
    const hint =
      error.code === 'ENOENT' ? ': install the Go toolchain (https://go.dev/dl, or Debian package golang)' : '';
    throw new Error(`cannot run go${hint}`, { cause: error });
  });
  if (exitCode !== 0) throw new Error(`${go.spawnargs.join(' ')} ended with ${exitCode}:\n${lastOutput()}`);
}

function lowerPriority(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Only a courtesy: some sandboxes forbid it, and the child may already have ended.
  }
}
