import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDeployment, kubeconfigOf } from '../providers/kubernetes/cluster-objects.ts';
import { startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import type { Bench } from './bench.ts';
import { nodeJson } from './node-json.ts';

const program = fileURLToPath(new URL('read-memory-program.ts', import.meta.url));
const objects = 100;
const most = 10_000;

export const readMemory: Bench = {
  title: 'heap and external memory of 10,000 waiting reads on 100 Deployments through one watch, over that of one',
  unit: 'MB',
  bound: { of: 'value', direction: 'at most', limit: 40 },

  async measure({ executions }, progress) {
    progress('starting an API server');
    await using cluster = await startKubernetes();
    await using folder = await mkdtempDisposable(join(tmpdir(), 'aftersync-bench-'));
    const kubeconfig = join(folder.path, 'kubeconfig');
    await writeFile(kubeconfig, await kubeconfigOf(cluster));
    for (let index = 0; index < objects; index += 1) await createDeployment(cluster, `web-${index}`);
    const reads = Math.min(most, executions);
    progress(`making ${reads} reads wait`);
    const store = join(folder.path, 'aftersync.db');
    const args = ['--expose-gc', program, kubeconfig, store, String(reads), String(objects)];
    const { bytes, watches } = await nodeJson<{ bytes: number; watches: number }>(args);
    if (watches !== 1) throw new Error(`there are ${watches} watches instead of one`);
    return { value: bytes / 1e6 };
  },
};
