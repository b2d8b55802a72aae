import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ensureDebianPackages } from './debian-packages.ts';
import { findNginx, nginxPackages } from './nginx.ts';
import { findVarnish, varnishPackages } from './varnish.ts';

const packages = [...varnishPackages, ...nginxPackages];

test('what the cache tests need is installed, and the next time nothing is', async () => {
  await ensureDebianPackages(packages);
  const report = (line: string) => assert.fail(line);
  assert.deepEqual(await ensureDebianPackages(packages, { report }), []);
  assert.ok(findVarnish());
  assert.ok(findNginx());
});
