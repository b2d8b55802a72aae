import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { StoreLocked } from '../../src/store/sqlite/holder.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { newExecution } from './sample-executions.ts';

const program = fileURLToPath(new URL('./writing-program.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'aftersync-store-'));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
after(() => rmSync(folder, { recursive: true }));

function startWriter(path: string) {
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

/** Kills the writer in the middle of its work, once it has said that much; returns all that it said. */
async function killAfter(writer: ReturnType<typeof startWriter>, lines: number): Promise<string[]> {
  const said: string[] = [];
  const closed = once(writer, 'close');
  for await (const line of createInterface(writer.stdout)) {
    said.push(line);
    if (said.length === lines) writer.kill('SIGKILL');
  }
  await closed;
  assert.ok(said.length >= lines, `the writer ended after ${said.length} lines`);
  return said;
}

describe('sqlite: two processes and one file', () => {
  it('the second is refused and told who holds it, until the first was killed', async () => {
    const path = join(folder, 'shared.db');
    const first = startWriter(path);
    await once(first.stdout, 'data');

    await assert.rejects(openSqliteStore({ path }), (error: unknown) => {
      assert.ok(error instanceof StoreLocked);
      assert.equal(error.holder?.pid, first.pid);
      return true;
    });
    const second = startWriter(path);
    const [complaint, [exitCode]] = await Promise.all([text(second.stderr), once(second, 'close')]);
    assert.equal(exitCode, 1);
    assert.match(complaint, new RegExp(`the store ${path} is held by process ${first.pid} on host `));

    const closed = once(first, 'close');
    first.kill('SIGKILL');
    await closed;
    const third = await openSqliteStore({ path });
    assert.ok(await third.get(newExecution('e0-0')));
    await third.close();
  });
});

describe('sqlite: a process that is killed', () => {
  for (const lines of [1, 50, 300]) {
    it(`has lost no write that it knew to be stored (killed after ${lines} answers)`, async () => {
      const path = join(folder, `killed-after-${lines}.db`);
      const said = await killAfter(startWriter(path), lines);
      const store = await openSqliteStore({ path });
      for (const line of said) {
        const [id = '', version] = line.split(' ');
        const execution = await store.get({ namespace: 'default', id });
        assert.ok(execution && execution.version >= Number(version), `${line} is lost`);
      }
      await store.close();
    });
  }
});
