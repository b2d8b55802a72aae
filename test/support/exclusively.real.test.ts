import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { exclusively } from './exclusively.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-exclusively-'));
});
after(() => rm(folder, { recursive: true }));

test('of two calls with one lock file, the second begins when the first has ended', async () => {
  const lockFile = join(folder, 'two', 'calls.lock');
  const seen: string[] = [];
  const firstBegins = Promise.withResolvers<void>();
  const secondWaits = Promise.withResolvers<void>();
  const first = exclusively(lockFile, async () => {
    seen.push('first begins');
    firstBegins.resolve();
    await secondWaits.promise;
    seen.push('first ends');
  });
  await firstBegins.promise;
  const second = exclusively(lockFile, async () => seen.push('second begins'), { onWait: secondWaits.resolve });
  await Promise.all([first, second]);
  assert.deepEqual(seen, ['first begins', 'first ends', 'second begins']);
});

test('work that throws releases the lock', async () => {
  const lockFile = join(folder, 'throws.lock');
  const failing = exclusively(lockFile, async () => {
    throw new Error('disk full');
  });
  await assert.rejects(failing, /disk full/);
  assert.equal(
    await exclusively(lockFile, async () => 'inside', { onWait: () => assert.fail('still locked') }),
    'inside',
  );
});

test('a process that is killed inside leaves no lock behind', async () => {
  const lockFile = join(folder, 'killed.lock');
  const source = `
    import { exclusively } from ${JSON.stringify(import.meta.resolve('./exclusively.ts'))};
    setInterval(() => {}, 1000);
    await exclusively(${JSON.stringify(lockFile)}, () => { console.log('inside'); return new Promise(() => {}); });`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(createInterface(holder.stdout), 'line');

  const waits = Promise.withResolvers<void>();
  const waiting = exclusively(lockFile, async () => 'inside', { onWait: waits.resolve });
  await waits.promise;
  holder.kill('SIGKILL');
  assert.equal(await waiting, 'inside');
});
