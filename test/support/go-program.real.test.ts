import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { ensureGoProgram, type GoProgram } from './go-program.ts';

const environment = { ...process.env };
const goBuildCache = execFileSync('go', ['env', 'GOCACHE'], { encoding: 'utf8' }).trim();
let cache: string;
let lines: string[];
const report = (line: string) => void lines.push(line);
const waitsForOther = 'another process is building it, waiting for that';

beforeEach(async () => {
  lines = [];
  cache = await mkdtemp(join(tmpdir(), 'aftersync-go-program-'));
  process.env.XDG_CACHE_HOME = cache;
  // Go would put its own cache below XDG_CACHE_HOME too and compile its standard library anew.
  process.env.GOCACHE = goBuildCache;
});
afterEach(async () => {
  process.env = { ...environment };
  await rm(cache, { recursive: true });
});

function program(source: string): GoProgram {
  return {
    name: 'greet',
    version: 'v1.2.3',
    mainPackage: '.',
    ldflags: '-s -w -X main.version=v1.2.3',
    expectedDuration: 'a second',
    writeModule: async (folder) => {
      await writeFile(join(folder, 'go.mod'), 'module aftersync.dev/greet\ngo 1.23\n');
      await writeFile(join(folder, 'main.go'), source);
    },
  };
}

const greet = program('package main\nvar version string\nfunc main() { print("hello from " + version) }\n');

test('a program is built once, even when asked for twice at the same time, and then found', async () => {
  const { promise: otherWaits, resolve: seeWaiting } = Promise.withResolvers<void>();
  const whileOtherWaits: GoProgram = {
    ...greet,
    async writeModule(folder) {
      await otherWaits;
      await greet.writeModule(folder);
    },
  };
  const ensure = () =>
    ensureGoProgram(whileOtherWaits, (line) => {
      report(line);
      if (line.endsWith(waitsForOther)) seeWaiting();
    });
  const [first, second] = await Promise.all([ensure(), ensure()]);
  assert.equal(first, join(cache, 'aftersync', 'greet-v1.2.3', 'greet'));
  assert.equal(second, first);
  assert.equal(execFileSync('sh', ['-c', '"$0" 2>&1', first], { encoding: 'utf8' }), 'hello from v1.2.3');
  assert.equal(lines.filter((line) => /: built in \d+ s$/.test(line)).length, 1);
  assert.equal(lines.filter((line) => line.endsWith(waitsForOther)).length, 1);

  lines = [];
  assert.equal(await ensureGoProgram(greet, report), first);
  assert.deepEqual(lines, []);
});

test('a build that fails says what the compiler said, leaves nothing behind, and is tried again', async () => {
  await assert.rejects(
    ensureGoProgram(program('package main\nfunc main() { greeet() }\n'), report),
    /undefined: greeet/,
  );
  const executable = await ensureGoProgram(greet, report);
  assert.deepEqual((await readdir(dirname(executable))).sort(), ['build.lock', 'greet']);
});

test('without a Go toolchain the error says what to install', async () => {
  process.env.PATH = cache;
  await assert.rejects(ensureGoProgram(greet, report), /cannot run go: install the Go toolchain/);
});
