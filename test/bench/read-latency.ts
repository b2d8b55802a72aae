import { setTimeout as delay } from 'node:timers/promises';
import {
  completeRollOut,
  createDeployment,
  deployments,
  kubeconfigOf,
} from '../providers/kubernetes/cluster-objects.ts';
import { openReadBench, type ReadBench } from '../steps/read-object-workbench.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { median } from './alternate.ts';
import type { Bench } from './bench.ts';

const samplesPerRound = 10;
const pollIntervalMs = 1_000;

export const readLatency: Bench = {
  title: "median from the write of a Deployment's status until read-object has ended, beside polling each second",
  unit: 'ms',
  bound: { of: 'value', direction: 'at most', limit: 100 },

  async measure({ rounds }, progress) {
    progress('starting an API server');
    await using cluster = await startKubernetes();
    const kubeconfig = await kubeconfigOf(cluster);
    await using bench = await openReadBench({ kubeconfig: () => kubeconfig });
    const ours: number[] = [];
    const reference: number[] = [];
    // The first one loads the Kubernetes client and is no sample.
    await byWatch(cluster, bench, 'warm-up');
    for (let sample = 0; sample < rounds * samplesPerRound; sample += 1) {
      progress(`rollout ${sample + 1}`);
      ours.push(await byWatch(cluster, bench, `watched-${sample}`));
      reference.push(await byPolling(cluster, `polled-${sample}`));
    }
    return { value: median(ours), reference: median(reference) };
  },
};

/** From the moment in which the write was sent: the cluster tells of it before it answers. */
async function byWatch(cluster: Kubernetes, bench: ReadBench, name: string): Promise<number> {
  await createDeployment(cluster, name);
  await bench.submit(name, { kind: 'Deployment', name, waitFor: 'rolledOut', select: { replicas: '.spec.replicas' } });
  await bench.waiting(name);
  const ended = bench.ended(name).then(({ status }) => {
    if (status.state !== 'succeeded') throw new Error(`${name} is ${status.state}: ${status.message}`);
    return performance.now();
  });
  const writtenAt = performance.now();
  await completeRollOut(cluster, name, 1);
  return (await ended) - writtenAt;
}

/** What a script does that asks each second: the write falls anywhere between two looks. */
async function byPolling(cluster: Kubernetes, name: string): Promise<number> {
  await createDeployment(cluster, name);
  const seen = poll(cluster, name);
  await delay(Math.random() * pollIntervalMs);
  const writtenAt = performance.now();
  await completeRollOut(cluster, name, 1);
  return (await seen) - writtenAt;
}

async function poll(cluster: Kubernetes, name: string): Promise<number> {
  for (;;) {
    const { body } = await cluster.request({ method: 'GET', path: `${deployments}/${name}` });
    if ((body as { status: { availableReplicas?: number } }).status.availableReplicas === 2) return performance.now();
    await delay(pollIntervalMs);
  }
}
