import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ensureDebianPackages } from './debian-packages.ts';
import { findNginx, nginxPackages } from './nginx.ts';
import { findVarnish, varnishPackages } from './varnish.ts';

const packages = [...varnishPackages, ...nginxPackages];

test('what the cache tests need is installed, and is seen to be within 200 ms the next time', async () => {
  await ensureDebianPackages(packages);
  const startedAt = performance.now();
  assert.deepEqual(await ensureDebianPackages(packages), []);
  const elapsedMs = performance.now() - startedAt;
  assert.ok(elapsedMs < 200, `took ${elapsedMs} ms`);
  assert.ok(findVarnish());
  assert.ok(findNginx());
});
