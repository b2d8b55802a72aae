import { createAftersyncFolder } from './aftersync-folder.ts';
import type { Bench } from './bench.ts';
import { cli, compareServers } from './compare-under-load.ts';
import { openKubernetesBench } from './kubernetes-bench.ts';
import { startServerChild } from './server-child.ts';
import { knownRequests, repeated } from './tick.ts';

/** A known request costs no call, wherever its execution is recorded. */
export const kubernetesTick: Bench = {
  title: 'repeated PUT of 1,000 known executions to a replica on a cluster, against the same on sqlite',
  unit: 'answers/s',
  bound: { of: 'ratio', direction: 'at least', limit: 0.9 },
  async measure(scale, progress) {
    progress('starting an API server');
    await using bench = await openKubernetesBench();
    await using folder = await createAftersyncFolder();
    const ours = await bench.startReplica('tick', `store: { type: kubernetes }\n${folder.connections}`);
    await using reference = await startServerChild([cli, 'serve', '--config', folder.configFile]);
    const load = { before: knownRequests, requests: repeated(knownRequests), expectedStatus: 200 };
    return await compareServers({ ours, reference }, load, scale, progress);
  },
};
