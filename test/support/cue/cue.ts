import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import { type CueVersion, ensureCue } from './cue-program.ts';

const MODULE = 'aftersync.dev';
const velaPackages = join(import.meta.dirname, 'vela');

/** What `cue` said against its input. The message is its standard error, with file, line and column. */
export class CueError extends Error {
  override readonly name = 'CueError';
}

export interface CuePackage {
  readonly version: CueVersion;
  /**
   * CUE source by file name; together one package, without a need for a package clause. Imports of `vela/…` find our
   * stand-ins for KubeVela's packages.
   */
  readonly files: Readonly<Record<string, string>>;
  /** CUE source of further packages by the path of their import, `ext/…`: what a cluster has as Packages of CueX. */
  readonly packages?: Readonly<Record<string, string>>;
}

export interface Exported extends CuePackage {
  /** Default: the whole package. */
  readonly expression?: string;
  /** `openapi`: the definitions (`#name`) in the value, as an OpenAPI document. Default: json. */
  readonly out?: 'json' | 'openapi';
}

/** `cue export`: the value of the expression as parsed JSON. It must be concrete. */
export async function cueExport(input: Exported): Promise<unknown> {
  const expression = input.expression === undefined ? [] : ['--expression', input.expression];
  return JSON.parse(await runOnPackage(input, ['export', '--out', input.out ?? 'json', ...expression]));
}

/** `cue vet`: throws a CueError where the package has an error. Values need not be concrete. */
export async function cueVet(input: CuePackage): Promise<void> {
  await runOnPackage(input, ['vet', '--concrete=false']);
}

/** `cue fmt`: the source as that version formats it. */
export async function cueFmt({ version, source }: { readonly version: CueVersion; readonly source: string }) {
  return runCue({ version, commandLine: ['fmt', '-'], folder: tmpdir(), input: source });
}

async function runOnPackage(
  { version, files, packages = {} }: CuePackage,
  command: readonly string[],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-cue-'));
  try {
    await mkdir(join(folder, 'cue.mod'));
    await writeFile(join(folder, 'cue.mod', 'module.cue'), `module: "${MODULE}"\nlanguage: version: "v${version}"\n`);
    await symlink(velaPackages, join(folder, 'vela'));
    for (const [name, source] of Object.entries(files)) await writeFile(join(folder, name), intoPackage(source));
    for (const [path, source] of Object.entries(packages)) {
      await mkdir(join(folder, path), { recursive: true });
      await writeFile(join(folder, path, 'package.cue'), source);
    }
    const paths = Object.keys(files).map((name) => `./${name}`);
    return await runCue({ version, commandLine: [...command, ...paths], folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * KubeVela's definitions have no package clause, but only files of one package see each other's fields. It goes before
 * the first line, so that error messages keep their line numbers. Imports without a dot in the first element would be
 * looked for in CUE's standard library.
 */
function intoPackage(source: string): string {
  // Only the file's own imports: a definition within a string is text.
  const inModule = source.replace(/^(?:(?:package .*|import \([^)]*\)|import .*|\/\/.*|[ \t]*)\n)*/, (head) =>
    head.replaceAll(/^((?:import)?\s*(?:\w+\s+)?)"((?:vela|ext)\/\w+)"/gm, `$1"${MODULE}/$2"`),
  );
  return /^package /m.test(inModule) ? inModule : `package definition, ${inModule}`;
}

interface CueRun {
  readonly version: CueVersion;
  readonly commandLine: readonly string[];
  readonly folder: string;
  readonly input?: string;
}

async function runCue({ version, commandLine, folder, input = '' }: CueRun): Promise<string> {
  // No registry: what is not in the folder is an error, not a download.
  const env = { ...process.env, CUE_REGISTRY: 'none' };
  const cue = spawn(await ensureCue(version), commandLine, { cwd: folder, env });
  // It may end before it has read, and says why by its exit code.
  cue.stdin.on('error', () => {});
  cue.stdin.end(input);
  const [output, complaint, [exitCode]] = await Promise.all([text(cue.stdout), text(cue.stderr), once(cue, 'close')]);
  if (exitCode !== 0) throw new CueError(complaint.trim());
  return output;
}
