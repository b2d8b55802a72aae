import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { it } from 'node:test';

it('no start loads the Kubernetes client, which costs 0.7 s and 90 MB; using a cluster does', async () => {
  const loaded: string[] = [];
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      loaded.push(resolved.url);
      return resolved;
    },
  });
  const isClient = (url: string) => url.includes('/@kubernetes/client-node/');
  await import('../../../src/main.ts');
  assert.ok(loaded.some((url) => url.endsWith('/src/providers/kubernetes/connection.ts')));
  assert.deepEqual(loaded.filter(isClient), []);

  const { ClusterAccess } = await import('../../../src/providers/kubernetes/cluster-access.ts');
  const { systemClock } = await import('../../../src/core/time.ts');
  const kubeconfig = { path: '/kubeconfig', read: async () => '{}' };
  await assert.rejects(new ClusterAccess({ kubeconfig, clock: systemClock }).current());
  assert.notDeepEqual(loaded.filter(isClient), []);
  hooks.deregister();
});
