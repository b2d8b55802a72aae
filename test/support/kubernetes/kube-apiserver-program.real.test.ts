import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { ensureKubeApiServer } from './kube-apiserver-program.ts';

test('KUBEBUILDER_ASSETS comes first, and must hold a kube-apiserver', async (t) => {
  const assets = await mkdtemp(join(tmpdir(), 'aftersync-assets-'));
  const before = process.env.KUBEBUILDER_ASSETS ?? '';
  process.env.KUBEBUILDER_ASSETS = assets;
  t.after(async () => {
    // Empty counts as unset.
    process.env.KUBEBUILDER_ASSETS = before;
    await rm(assets, { recursive: true });
  });
  await assert.rejects(ensureKubeApiServer(), /KUBEBUILDER_ASSETS is .*, which holds no kube-apiserver/);
  const executable = join(assets, 'kube-apiserver');
  await writeFile(executable, '');
  assert.equal(await ensureKubeApiServer(), executable);
});
