import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { it } from 'node:test';
import { promisify } from 'node:util';

/** A process of its own, for another test may have loaded anything here. */
const program = `
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    loaded.push(resolved.url);
    return resolved;
  },
});
await import('./src/main.ts');
const atStart = [...loaded];
const { ClusterAccess } = await import('./src/providers/kubernetes/cluster-access.ts');
const { systemClock } = await import('./src/core/time.ts');
const kubeconfig = { path: '/kubeconfig', read: async () => '{}' };
await new ClusterAccess({ kubeconfig, clock: systemClock }).current().catch(() => undefined);
console.log(JSON.stringify({ atStart, loaded }));
`;

it('no start loads the Kubernetes client, which costs 0.7 s and 90 MB; using a cluster does', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    maxBuffer: 16 * 1024 * 1024,
  });
  const { atStart, loaded } = JSON.parse(stdout) as Record<'atStart' | 'loaded', readonly string[]>;
  const isClient = (url: string) => url.includes('/@kubernetes/client-node/');
  assert.ok(atStart.some((url) => url.endsWith('/src/providers/kubernetes/connection.ts')));
  assert.deepEqual(atStart.filter(isClient), []);
  assert.notDeepEqual(loaded.filter(isClient), []);
});
