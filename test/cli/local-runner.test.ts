import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLocalRunner } from '../../src/cli/local-runner.ts';
import type { Session } from '../../src/cli/session.ts';

test('a store that the servers of a cluster share is not opened from the command line', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-local-'));
  t.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'c.yaml');
  await writeFile(config, 'store: { type: kubernetes }\n');
  await assert.rejects(openLocalRunner({ config } as never, { cwd: folder } as Session), {
    name: 'CommandError',
    exitCode: 2,
    message: /shared by the servers of a cluster/,
    advice: /--server URL/,
  });
});
