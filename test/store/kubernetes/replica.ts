import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { Step } from '../../../src/core/step.ts';
import { systemClock } from '../../../src/core/time.ts';
import { createEngine } from '../../../src/engine/engine.ts';
import type { ApiAnswer, ApiWrite, ClusterApi, GetOptions } from '../../../src/providers/kubernetes/cluster-api.ts';
import { openKubernetesStore } from '../../../src/store/kubernetes/kubernetes-store.ts';
import { Replicas } from '../../../src/store/kubernetes/replicas.ts';
import type { Kubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { openClient } from './cluster.ts';

interface ReplicaOptions {
  readonly steps: readonly Step[];
  readonly leaseMs: number;
  readonly sendMs?: number;
}

/** One process of the executor in this one: its own client, store, lease and engine. */
export async function startReplica(cluster: Kubernetes, { steps, leaseMs, sendMs = 500 }: ReplicaOptions) {
  const client = openClient(cluster);
  const calls = counted(client.api);
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const shared = { api: client.api, silenceLimitMs: 90_000, clock: systemClock, log, random: Math.random };
  const store = await openKubernetesStore({ ...shared, writesPerSecond: 1_000 });
  const replicas = await Replicas.join({
    ...shared,
    namespace: 'default',
    group: 'aftersync',
    leaseMs,
    sendMs,
    randomBytes,
  });
  const engine = createEngine({
    store,
    steps,
    readyGate: { check: () => [], uses: () => [], advance: async () => 'ready' },
    changeGate: { check: () => [], uses: () => [], look: async () => ({ seen: { evidence: null, value: null } }) },
    holding: replicas,
    sources: [],
    connectionTypes: [],
    connections: [],
    tools: {
      clock: systemClock,
      log,
      fetch: () => Promise.reject(new Error('no network here')),
      credential: (path) => ({ path, read: () => Promise.reject(new Error('no files here')) }),
    },
    log,
    registry: new Registry(),
    keepFinishedMs: 7 * 86_400_000,
  });
  await engine.recover();
  engine.start();
  const name = replicas.holder ?? '';
  let isOver = false;
  return {
    name,
    store,
    engine,
    replicas,
    /** `PUT /apis/…`, of each call but watches. */
    calls,
    submit: (id: string, more: object = {}) =>
      engine.accept({ namespace: 'default', id, caller: 'tester', body: { step: 'toy', with: {}, ...more } }),
    async close() {
      if (isOver) return;
      isOver = true;
      await engine.close();
      await replicas.leave();
      await store.close();
      await client.close();
    },
    /** As a power cut would, as far as the others can see: nothing that it writes or asks arrives any more. */
    die() {
      isOver = true;
      const dead = async () => {
        throw new Error('cut off');
      };
      Object.assign(client.api, { get: dead, write: dead, open: dead });
      void engine.close();
      void replicas.leave();
      void store.close();
    },
  };
}

export type Replica = Awaited<ReturnType<typeof startReplica>>;

function counted(api: ClusterApi): string[] {
  const calls: string[] = [];
  const [get, write] = [api.get.bind(api), api.write.bind(api)];
  Object.assign(api, {
    async get(path: string, options?: GetOptions): Promise<ApiAnswer> {
      calls.push(`GET ${path}`);
      return await get(path, options);
    },
    async write(sent: ApiWrite): Promise<ApiAnswer> {
      calls.push(`${sent.method} ${sent.path}`);
      return await write(sent);
    },
  });
  return calls;
}
