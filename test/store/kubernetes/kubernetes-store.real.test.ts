import { after, before } from 'node:test';
import pino from 'pino';
import { systemClock } from '../../../src/core/time.ts';
import { openKubernetesStore } from '../../../src/store/kubernetes/kubernetes-store.ts';
import type { Kubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { contractNamespaces, storeContract } from '../contract.ts';
import { openClient, startClusterWithExecutions } from './cluster.ts';

let cluster: Kubernetes;
before(async () => {
  cluster = await startClusterWithExecutions(contractNamespaces);
});
after(() => cluster.close());

storeContract('kubernetes', async () => {
  const client = openClient(cluster);
  const open = () =>
    openKubernetesStore({
      api: client.api,
      silenceLimitMs: 90_000,
      clock: systemClock,
      log: pino({ level: 'silent' }),
      random: Math.random,
    });
  let store = await open();
  return {
    store,
    async reopen() {
      await store.close();
      store = await open();
      return store;
    },
    async dispose() {
      await store.close();
      for (const namespace of contractNamespaces) {
        const path = `/apis/aftersync.dev/v1alpha1/namespaces/${namespace}/stepexecutions`;
        await cluster.request({ method: 'DELETE', path });
      }
      await client.close();
    },
  };
});
