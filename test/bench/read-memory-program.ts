/**
 * Prints how many bytes waiting reads take over one such read, and how many watches the API server sees.
 *
 *   npx node --expose-gc test/bench/read-memory-program.ts KUBECONFIG STORE_FILE READS OBJECTS
 */
import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { openReadBench } from '../steps/read-object-workbench.ts';
import { usedBytes } from './used-bytes.ts';

const batch = 500;

const [kubeconfigFile = '', storeFile = ':memory:', reads = '1000', objects = '100'] = process.argv.slice(2);
const kubeconfig = await readFile(kubeconfigFile, 'utf8');
const store = await openSqliteStore({ path: storeFile });
const bench = await openReadBench({ kubeconfig: () => kubeconfig, store });

const submit = (index: number) =>
  bench.submit(`e-${index}`, { kind: 'Deployment', name: `web-${index % Number(objects)}`, waitFor: 'rolledOut' });

// The Kubernetes client and the watch are paid for once.
await submit(0);
await bench.waiting('e-0');
const before = await usedBytes();
for (let start = 1; start < Number(reads); start += batch) {
  const indexes = Array.from({ length: Math.min(batch, Number(reads) - start) }, (_, index) => start + index);
  await Promise.all(indexes.map(submit));
  for (const index of indexes) await bench.waiting(`e-${index}`);
}
const bytes = (await usedBytes()) - before;
const watches = await countWatches();
await bench.close();
await store.close();
console.log(JSON.stringify({ bytes, watches }));

/** As the API server counts them itself. */
async function countWatches(): Promise<number> {
  const { clusters, users } = JSON.parse(kubeconfig);
  const { cluster } = clusters[0];
  const ca = Buffer.from(cluster['certificate-authority-data'], 'base64').toString();
  const dispatcher = new Agent({ connect: { ca } });
  const headers = { authorization: `Bearer ${users[0].user.token}` };
  const text = await (await fetch(`${cluster.server}/metrics`, { dispatcher, headers })).text();
  await dispatcher.close();
  const gauges = text.matchAll(/^apiserver_longrunning_requests\{([^}]*)\} (\d+)$/gm);
  const ours = [...gauges].filter(([, labels = '']) => /resource="deployments",.*verb="WATCH"/.test(labels));
  return ours.reduce((sum, [, , count]) => sum + Number(count), 0);
}
