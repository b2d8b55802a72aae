import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import type { Execution } from '../../src/core/execution.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import { openExclusively } from '../../src/store/sqlite/exclusive-database.ts';
import { StoreLocked } from '../../src/store/sqlite/holder.ts';
import { StoreTooNew } from '../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { type OpenedStore, storeContract } from './contract.ts';
import { newExecution, pending, running } from './sample-executions.ts';
import { unfinishedBlocks } from './unfinished-blocks.ts';

const folder = mkdtempSync(join(tmpdir(), 'aftersync-store-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

function newPath(): string {
  files += 1;
  return join(folder, `${files}.db`);
}

async function openFile(): Promise<OpenedStore> {
  const path = newPath();
  const first = await openSqliteStore({ path });
  let open = first;
  return {
    store: first,
    async reopen() {
      await open.close();
      open = await openSqliteStore({ path });
      return open;
    },
    dispose: () => open.close(),
  };
}

async function openMemory(): Promise<OpenedStore> {
  const store = await openSqliteStore({ path: ':memory:' });
  return { store, dispose: () => store.close() };
}

storeContract('sqlite in a file', openFile);
storeContract('sqlite in memory', openMemory);

/** Has SQLite itself fail where an execution of namespace `unlucky` is written. */
const mishaps = {
  'a commit fails': `
    CREATE TABLE empty (row INTEGER PRIMARY KEY);
    CREATE TABLE dangling (row INTEGER REFERENCES empty DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER mishap AFTER INSERT ON executions WHEN NEW.namespace = 'unlucky'
    BEGIN INSERT INTO dangling VALUES (1); END;`,
  'a statement fails': `
    CREATE TRIGGER mishap AFTER INSERT ON executions WHEN NEW.namespace = 'unlucky'
    BEGIN SELECT RAISE(ABORT, 'mishap'); END;`,
  // What a full or broken disk does.
  'a statement ends the transaction': `
    CREATE TRIGGER mishap AFTER INSERT ON executions WHEN NEW.namespace = 'unlucky'
    BEGIN SELECT RAISE(ROLLBACK, 'mishap'); END;`,
};

async function openWithMishap(sql: string): Promise<ExecutionStore> {
  const path = newPath();
  await (await openSqliteStore({ path })).close();
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
  return openSqliteStore({ path });
}

describe('sqlite: writes of one turn', () => {
  for (const [title, sql] of Object.entries(mishaps)) {
    it(`are all refused and leave nothing when ${title}; later ones go on`, async () => {
      const store = await openWithMishap(sql);
      const told: Execution[] = [];
      await store.create(newExecution('before'));
      store.watch((execution) => told.push(execution));

      const unlucky = newExecution('x', { namespace: 'unlucky' });
      const writes = [
        store.create(newExecution('a')),
        store.update(newExecution('before'), 1, running),
        store.update(newExecution('before'), 1, pending),
        store.create(unlucky),
        store.create(unlucky),
        store.create(newExecution('b')),
      ];
      const seen = store.list({}, { limit: 10 });
      for (const write of await Promise.allSettled(writes)) {
        assert.equal(write.status, 'rejected');
        assert.match(write.reason.message, /^the store could not commit: /);
      }
      assert.deepEqual((await seen).items, [{ ...newExecution('before'), version: 1 }]);
      assert.deepEqual(told, []);

      assert.equal((await store.create(newExecution('a'))).created, true);
      assert.deepEqual(
        told.map(({ id }) => id),
        ['a'],
      );
      await store.close();
    });
  }

  it('are seen by a read that is asked for after them, before they were awaited', async () => {
    const store = await openSqliteStore({ path: ':memory:' });
    const created = store.create(newExecution('a'));
    assert.equal((await store.get(newExecution('a')))?.version, 1);
    const updated = store.update(newExecution('a'), 1, running);
    const [listed, entries] = await Promise.all([store.list({}, { limit: 1 }), store.countUnfinished()]);
    assert.equal(listed.items[0]?.version, 2);
    assert.equal(entries, 1);
    await Promise.all([created, updated]);
    await store.close();
  });

  it('are kept when the store is closed before their commit', async () => {
    const path = newPath();
    const store = await openSqliteStore({ path });
    const created = store.create(newExecution('a'));
    await store.close();
    assert.equal((await created).created, true);
    const reopened = await openSqliteStore({ path });
    assert.ok(await reopened.get(newExecution('a')));
    await reopened.close();
  });

  it('follow one another: the second of two creates finds the first, an update finds the create', async () => {
    const store = await openSqliteStore({ path: ':memory:' });
    const [first, second, updated] = await Promise.all([
      store.create(newExecution('a', { caller: 'first' })),
      store.create(newExecution('a', { caller: 'second' })),
      store.update(newExecution('a'), 1, running),
    ]);
    assert.equal(first.created, true);
    assert.deepEqual(second, { created: false, execution: first.execution });
    assert.equal(updated.version, 2);
    await store.close();
  });
});

describe('sqlite: unfinished', () => {
  it('gives every execution once, however many blocks they fill', async () => {
    const store = await openSqliteStore({ path: ':memory:' });
    const ids = Array.from({ length: 10_001 }, (_, index) => `e${index}`);
    await Promise.all(ids.map((id) => store.create(newExecution(id))));
    const blocks = await unfinishedBlocks(store);
    assert.ok(blocks.length > 1);
    assert.deepEqual(new Set(blocks.flat().map(({ id }) => id)), new Set(ids));
    assert.equal(blocks.flat().length, ids.length);
    await store.close();
  });
});

describe('sqlite: the file', () => {
  it('is synced at each commit and locked while it is open', () => {
    const { database, close } = openExclusively(newPath());
    const pragma = (name: string) => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    assert.equal(pragma('journal_mode'), 'wal');
    assert.equal(pragma('synchronous'), 2);
    assert.equal(pragma('locking_mode'), 'exclusive');
    close();
  });

  it('is made with its folder, and left alone without its log and holder once closed', async () => {
    const path = join(folder, 'new', 'folder', 'aftersync.db');
    const store = await openSqliteStore({ path });
    await store.create(newExecution('a'));
    const holder = JSON.parse(readFileSync(`${path}.holder`, 'utf8'));
    assert.equal(holder.pid, process.pid);
    assert.equal(holder.host, hostname());
    assert.ok(Date.parse(holder.startedAt) <= Date.now());
    await store.close();
    assert.deepEqual(
      ['', '-wal', '-shm', '.holder'].filter((ending) => existsSync(path + ending)),
      [''],
    );
  });

  it('cannot be opened twice, not even through a link; the refusal names the holder and what to do', async () => {
    const path = newPath();
    const link = `${path}.link`;
    symlinkSync(path, link);
    const store = await openSqliteStore({ path });
    for (const other of [path, link]) {
      await assert.rejects(openSqliteStore({ path: other }), (error: unknown) => {
        assert.ok(error instanceof StoreLocked);
        assert.equal(error.holder?.pid, process.pid);
        assert.ok(
          error.message.startsWith(`the store ${other} is held by process ${process.pid} on host ${hostname()}`),
        );
        assert.match(error.message, /stop that one first, or set store\.path/);
        return true;
      });
    }
    await store.create(newExecution('a'));
    await store.close();
    const next = await openSqliteStore({ path: link });
    assert.ok(await next.get(newExecution('a')));
    await next.close();
  });

  it('of a newer release is refused, unchanged and unlocked', async () => {
    const path = newPath();
    await (await openSqliteStore({ path })).close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await assert.rejects(openSqliteStore({ path }), (error: unknown) => {
        assert.ok(error instanceof StoreTooNew);
        assert.match(error.message, /written by a newer aftersync: it has format 99/);
        return true;
      });
    }
  });

  it('that is no database is refused by its path', async () => {
    const path = newPath();
    writeFileSync(path, 'something else that somebody needs, and that is longer than a header of SQLite. '.repeat(20));
    const before = readFileSync(path);
    await assert.rejects(openSqliteStore({ path }), {
      message: `cannot open the store ${path}: file is not a database`,
    });
    assert.deepEqual(readFileSync(path), before);
  });

  it('that cannot be made is refused by its path', async () => {
    const path = join(newPath(), 'aftersync.db');
    writeFileSync(join(path, '..'), '');
    await assert.rejects(openSqliteStore({ path }), ({ message }: Error) => message.includes(path));
  });

  it('does not grow by the request when only the status changes', async () => {
    const path = newPath();
    const store = await openSqliteStore({ path });
    const request = { step: 'purge-cdn', with: { urls: 'x'.repeat(256 * 1024) } };
    await store.create(newExecution('a', { request }));
    const before = statSync(`${path}-wal`).size;
    await store.update(newExecution('a'), 1, running);
    const written = statSync(`${path}-wal`).size - before;
    assert.ok(written > 0 && written < 64 * 1024, `${written} bytes`);
    await store.close();
  });
});
