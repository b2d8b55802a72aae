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
const { ClusterApi } = await import('./src/providers/kubernetes/cluster-api.ts');
const { systemClock: clock } = await import('./src/core/time.ts');
const { timeout } = AbortSignal;
let atLimit = [];
AbortSignal.timeout = (limitMs) => {
  atLimit = [...loaded];
  return timeout.call(AbortSignal, limitMs);
};
const kubeconfig = { path: '/kubeconfig', read: async () => '{}' };
const access = new ClusterAccess({ kubeconfig, clock });
await new ClusterApi({ access, requestTimeoutMs: 60_000, clock }).get('/api').catch(() => undefined);
console.log(JSON.stringify({ atStart, atLimit, loaded }));
`;

it('no start loads the Kubernetes client, which costs 0.7 s and 90 MB; using a cluster does, before the time of a request counts', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    maxBuffer: 16 * 1024 * 1024,
  });
  const { atStart, atLimit, loaded } = JSON.parse(stdout) as Record<
    'atStart' | 'atLimit' | 'loaded',
    readonly string[]
  >;
  const isClient = (url: string) => url.includes('/@kubernetes/client-node/');
  assert.ok(atStart.some((url) => url.endsWith('/src/providers/kubernetes/connection.ts')));
  assert.deepEqual(atStart.filter(isClient), []);
  assert.notDeepEqual(loaded.filter(isClient), []);
  assert.deepEqual(new Set(atLimit.filter(isClient)), new Set(loaded.filter(isClient)));
});
