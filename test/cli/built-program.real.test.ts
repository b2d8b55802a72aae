import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const repository = join(import.meta.dirname, '../..');
const program = join(repository, 'dist/cli.js');

test('the program that `npm ci` builds says its version and its options, wherever it is started', async () => {
  const run = async (...args: readonly string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { cwd: tmpdir() });
    return stdout;
  };
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  assert.equal(await run('--version'), `${version}\n`);
  assert.match(await run('run', '--help'), /--local/);
});
