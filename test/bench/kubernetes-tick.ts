import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { cli, compareServers } from './compare-under-load.ts';
import { openKubernetesBench } from './kubernetes-bench.ts';
import { startServerChild } from './server-child.ts';
import { putRequest } from './step-request.ts';
import { repeated } from './tick.ts';

/** Each waits for an object that nobody creates: what a step does beside is no part of this. */
const known = Array.from({ length: 1_000 }, (_, index) => {
  const params = { apiVersion: 'v1', kind: 'ConfigMap', name: `none-${index}`, missing: 'wait' };
  return putRequest(`tick-${index}`, JSON.stringify({ step: 'read-object', with: params }));
});
const connections = 'connections:\n  - { name: cluster, type: kubernetes, allow: { namespaces: ["*"] } }\n';

/** A known request costs no call, wherever its execution is recorded. */
export const kubernetesTick: Bench = {
  title: 'repeated PUT of 1,000 known executions to a replica on a cluster, against the same on sqlite',
  unit: 'answers/s',
  bound: { of: 'ratio', direction: 'at least', limit: 0.9 },

  async measure({ rounds, roundMs, ...scale }, progress) {
    progress('starting an API server');
    await using bench = await openKubernetesBench();
    await using folder = await mkdtempDisposable(join(tmpdir(), 'aftersync-bench-'));
    const config = join(folder.path, 'aftersync.yaml');
    await writeFile(
      config,
      `server: { address: "127.0.0.1:0" }\nlog: { level: warn }\nstore: { path: ./aftersync.db }\n${connections}`,
    );
    const ours = await bench.startReplica('tick', `store: { type: kubernetes }\n${connections}`);
    await using reference = await startServerChild([cli, 'serve', '--config', config], {
      KUBECONFIG: bench.kubernetes.adminKubeconfigPath,
    });
    const load = { before: known, requests: repeated(known), expectedStatus: 200 };
    // More and shorter rounds: the API server, which stands beside one side only, has work of its own now and then.
    const short = { ...scale, rounds: 4 * rounds, roundMs: roundMs / 4 };
    return await compareServers({ ours, reference }, load, short, progress);
  },
};
