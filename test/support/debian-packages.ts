import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { findExecutable } from './find-executable.ts';
import type { Report } from './go-program.ts';

const INSTALLER = fileURLToPath(new URL('install-debian-packages.sh', import.meta.url));
const PROGRESS_INTERVAL_MS = 10_000;
const KEPT_OUTPUT_LINES = 20;

/** Standard error, because standard output may belong to a test reporter. */
const reportToStderr: Report = (line) => void process.stderr.write(`${line}\n`);

export interface DebianPackagesOptions {
  readonly report?: Report;
  /** Where dpkg-query, apt-get and sudo are looked for. Default: the process's PATH. */
  readonly path?: string;
  readonly isRoot?: boolean;
  /** What Debian's packages ask before they start a service. */
  readonly policyFile?: string;
}

/**
 * Installs those of the packages that are missing: as root, or through sudo where that asks for no password. Services
 * that they bring are not started. Returns what was installed; throws with the command to run where it cannot.
 */
export async function ensureDebianPackages(
  names: readonly string[],
  options: DebianPackagesOptions = {},
): Promise<readonly string[]> {
  const { report = reportToStderr, path = process.env.PATH ?? '', isRoot = process.getuid?.() === 0 } = options;
  const { policyFile = '/usr/sbin/policy-rc.d' } = options;
  const env = { ...process.env, PATH: path };
  const missing = await missingPackages(names, env);
  if (missing.length === 0) return [];

  const list = missing.join(' ');
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing].join(' ');
  const advice = `run: sudo apt-get update && sudo ${install}`;
  if (!isRoot && !(await canSudo(env)))
    throw new Error(`Debian packages are missing: ${list}. To install them, ${advice}`);

  report(`installing Debian packages: ${list}`);
  const installer = ['sh', INSTALLER, policyFile, ...missing];
  const [command = '', ...commandLine] = isRoot ? installer : ['sudo', '-n', ...installer];
  const { exitCode, lastLines } = await runReporting(command, commandLine, { env, report });
  if (exitCode !== 0) {
    throw new Error(
      `cannot install Debian packages ${list}; ${advice}\nThe end of the output:\n${lastLines.join('\n')}`,
    );
  }
  report(`installed Debian packages: ${list}`);
  return missing;
}

async function missingPackages(names: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  if (findExecutable('dpkg-query', env.PATH) === undefined) {
    throw new Error(`this machine is no Debian (no dpkg-query): install what has the programs of ${names.join(' ')}`);
  }
  // The exit code says no more than that some are unknown; the lines of the others come all the same.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: these are dpkg's own placeholders.
  const format = '-f=${Package} ${db:Status-Status}\\n';
  const query = promisify(execFile)('dpkg-query', ['-W', format, ...names], { env });
  const { stdout } = await query.catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
  const installed = new Set(
    stdout.split('\n').flatMap((line) => (line.endsWith(' installed') ? line.split(' ', 1) : [])),
  );
  return names.filter((name) => !installed.has(name));
}

async function canSudo(env: NodeJS.ProcessEnv): Promise<boolean> {
  if (findExecutable('sudo', env.PATH) === undefined) return false;
  return promisify(execFile)('sudo', ['-n', 'true'], { env }).then(
    () => true,
    () => false,
  );
}

interface Reporting {
  readonly env: NodeJS.ProcessEnv;
  readonly report: Report;
}

/** Runs a command and reports its lines as they come; where none comes for a while, that it is still running. */
async function runReporting(command: string, commandLine: readonly string[], { env, report }: Reporting) {
  const startedAt = performance.now();
  const lastLines: string[] = [];
  const child = spawn(command, commandLine, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const progress = setInterval(
    () => report(`  still installing, ${Math.round((performance.now() - startedAt) / 1_000)} s`),
    PROGRESS_INTERVAL_MS,
  );
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      progress.refresh();
      // dpkg counts from 0 to 100 % in lines of their own.
      if (!line.startsWith('(Reading database')) report(`  ${line}`);
      lastLines.push(line);
      if (lastLines.length > KEPT_OUTPUT_LINES) lastLines.shift();
    });
  }
  try {
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return { exitCode, lastLines };
  } finally {
    clearInterval(progress);
  }
}
