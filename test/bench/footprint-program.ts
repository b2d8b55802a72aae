/**
 * What one execution costs with the Kubernetes store, step by step: writes at the API server, its time and ours, bytes in
 * etcd, bytes in the memory of each replica. docs/scale.md counts with these numbers.
 *
 *   npx node --expose-gc test/bench/footprint-program.ts [COUNT]
 */
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { Agent, fetch } from 'undici';
import { systemClock } from '../../src/core/time.ts';
import { ExecutionCache } from '../../src/store/kubernetes/execution-cache.ts';
import { openKubernetesStore } from '../../src/store/kubernetes/kubernetes-store.ts';
import { allPath, collectionPath, toStored } from '../../src/store/kubernetes/step-execution.ts';
import { openClient, startClusterWithExecutions } from '../store/kubernetes/cluster.ts';
import { startGitHubStandIn } from '../support/github/stand-in.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { listenOnLoopback } from '../support/listen.ts';
import { type Configure, Executor } from '../workflows/executor.ts';
import { usedBytes } from './used-bytes.ts';

interface StoredObject {
  readonly metadata: { readonly name: string; readonly managedFields?: unknown };
  readonly spec: { readonly step: string };
}

const [count = '500'] = process.argv.slice(2);
const executions = Number(count);
const connections = 32;
const copies = 20_000;

const requests: Readonly<Record<string, object>> = {
  'read-object': {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'settings',
    waitFor: 'exists',
    select: { color: '.data.color' },
  },
  'purge-cdn': { tags: ['shop', 'catalog'] },
  'trigger-github-action': {
    repository: 'acme/shop',
    workflow: 'smoke.yml',
    ref: 'main',
    inputs: { environment: 'production' },
  },
};

const configure: Configure = (port, { gitHubUrl, cacheUrl, kubernetes }) => `
server: { address: "127.0.0.1:${port}" }
store: { type: kubernetes }
log: { level: warn }
connections:
  - { name: cluster, type: kubernetes, kubeconfigFile: ${kubernetes.adminKubeconfigPath} }
  - { name: github, type: github, baseUrl: "${gitHubUrl}", auth: { tokenFile: ./github-token } }
  - { name: edge, type: varnish, endpoints: ["${cacheUrl}"] }
`;

/** Answers every purge, and does nothing. */
const cache = await listenOnLoopback(
  createServer((_, response) => response.writeHead(200, { 'xkey-purged': '0' }).end('Purged')),
);

const kubernetes = await startClusterWithExecutions([]);
const gitHub = await startGitHubStandIn({
  requestsPerHour: 1_000_000,
  repositories: [
    {
      fullName: 'acme/shop',
      workflows: [
        {
          file: 'smoke.yml',
          on: { workflow_dispatch: { inputs: { environment: {} } } },
          plan: [{ status: 'completed', conclusion: 'success' }],
        },
      ],
    },
  ],
});
await kubernetes.request({
  method: 'POST',
  path: '/api/v1/namespaces/default/configmaps',
  body: { metadata: { name: 'settings' }, data: { color: 'blue' } },
});
const executor = await Executor.start({ gitHubUrl: gitHub.url, cacheUrl: cache.url, kubernetes }, configure);
const apiServer = new Agent({ connect: { ca: kubernetes.ca } });

try {
  console.log(`${executions} executions of each step, on one replica:`);
  for (const [step, params] of Object.entries(requests)) console.log(await costOf(step, params));
  console.log(await memoryOf(kubernetes));
  console.log(await openingTime());
  console.log(await apiServerMemory());
} finally {
  await executor.close();
  await apiServer.destroy();
  await gitHub.close();
  await kubernetes.close();
  await cache.close();
}

async function costOf(step: string, params: object): Promise<object> {
  // The first ones pay for compiled code, discovery and connections.
  await run(step, params, 'warm', connections);
  const before = await meters();
  const startedAt = performance.now();
  await run(step, params, 'cost', executions);
  const seconds = (performance.now() - startedAt) / 1_000;
  const after = await meters();
  const each = (name: keyof typeof before) => (after[name] - before[name]) / executions;
  const sizes = (await storedObjects(kubernetes))
    .filter(({ spec, metadata }) => spec.step === step && metadata.name.startsWith('cost'))
    .map((object) => JSON.stringify(object).length);
  return {
    step,
    perSecond: Math.round(executions / seconds),
    creates: each('creates'),
    statusWrites: each('statusWrites'),
    otherCalls: Number(each('otherCalls').toFixed(2)),
    ourCpuMs: Number((each('ourCpuSeconds') * 1_000).toFixed(2)),
    apiServerCpuMs: Number((each('apiServerCpuSeconds') * 1_000).toFixed(2)),
    objectBytes: Math.round(sizes.reduce((sum, size) => sum + size, 0) / sizes.length),
  };
}

async function run(step: string, params: object, prefix: string, many: number): Promise<void> {
  const ids = Array.from({ length: many }, (_, index) => `${prefix}-${step}-${index}`).values();
  const lane = async () => {
    for (const id of ids) {
      const response = await fetch(`${executor.url}/v1/executions/${id}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ step, with: params }),
      });
      if (response.status !== 201) throw new Error(`${id}: ${response.status} ${await response.text()}`);
      await response.body?.cancel();
    }
  };
  await Promise.all(Array.from({ length: connections }, lane));
  // Rarely, for asking costs the time that is measured.
  while (meter(await metrics(executor.url), /^aftersync_executions_unfinished (.+)$/gm) > 0) await delay(500);
}

async function meters() {
  const [ours, theirs] = await Promise.all([metrics(executor.url), metrics(kubernetes.url)]);
  const all = meter(theirs, /^apiserver_request_total\{(?!.*verb="(?:WATCH|CONNECT)").*\} (.+)$/gm);
  const ofExecutions = (subresource: string, verb: string) =>
    meter(
      theirs,
      new RegExp(
        `^apiserver_request_total\\{.*resource="stepexecutions".*subresource="${subresource}",verb="${verb}".*\\} (.+)$`,
        'gm',
      ),
    );
  const creates = ofExecutions('', 'POST');
  const statusWrites = ofExecutions('status', 'PUT');
  return {
    creates,
    statusWrites,
    otherCalls: all - creates - statusWrites,
    ourCpuSeconds: meter(ours, /^process_cpu_seconds_total (.+)$/gm),
    apiServerCpuSeconds: meter(theirs, /^process_cpu_seconds_total (.+)$/gm),
  };
}

async function metrics(url: string): Promise<string> {
  return await (await ask(`${url}/metrics`)).text();
}

async function ask(url: string) {
  return await fetch(url, { dispatcher: apiServer, headers: { authorization: `Bearer ${kubernetes.adminToken}` } });
}

function meter(text: string, lines: RegExp): number {
  return [...text.matchAll(lines)].reduce((sum, [, value]) => sum + Number(value), 0);
}

async function storedObjects(cluster: Kubernetes): Promise<readonly StoredObject[]> {
  const { body } = await cluster.request({ method: 'GET', path: allPath });
  return (body as { readonly items: readonly StoredObject[] }).items;
}

/** In the cache that each replica has of all executions: real objects, as often as it takes to see it. */
async function memoryOf(cluster: Kubernetes): Promise<object> {
  const texts = (await storedObjects(cluster)).map((object) => JSON.stringify(object));
  const filled = new ExecutionCache();
  const before = await usedBytes();
  const { user } = process.cpuUsage();
  for (let index = 0; index < copies; index++) {
    const object = JSON.parse(texts[index % texts.length] ?? '{}');
    const metadata = { ...object.metadata, name: `copy-${index}`, uid: `uid-${index}` };
    filled.put(toStored({ ...object, metadata }));
  }
  const cpuMs = (process.cpuUsage().user - user) / 1_000;
  const after = await usedBytes();
  return {
    cached: [...filled.all()].length,
    bytesEach: Math.round((after - before) / copies),
    // For a change that another replica has written: to read it and to keep it.
    cpuMsEach: Number((cpuMs / copies).toFixed(3)),
  };
}

/** What a replica reads before it serves. */
async function openingTime(): Promise<object> {
  const { length } = await storedObjects(kubernetes);
  const client = openClient(kubernetes);
  const { api, silenceLimitMs } = client;
  const shared = { clock: systemClock, log: pino({ level: 'silent' }), random: Math.random, writesPerSecond: 1 };
  const open = () => openKubernetesStore({ api, silenceLimitMs, ...shared });
  // The first time pays for connections and compiled code.
  await open().then((store) => store.close());
  const startedAt = performance.now();
  const store = await open();
  const ms = performance.now() - startedAt;
  await store.close();
  await client.close();
  return { listed: length, msPerThousand: Math.round((ms / length) * 1_000) };
}

/** What the API server's own cache takes, without the changes of the last minutes that it keeps as well: after a restart. */
async function apiServerMemory(): Promise<object> {
  const { length } = await storedObjects(kubernetes);
  const full = await heapAfterRestart();
  await kubernetes.request({ method: 'DELETE', path: collectionPath('default') });
  const empty = await heapAfterRestart();
  return { objects: length, apiServerBytesEach: Math.round((full - empty) / length) };
}

async function heapAfterRestart(): Promise<number> {
  await kubernetes.restartApiServer();
  // Answered by the cache once it holds everything.
  await (await ask(`${kubernetes.url}${allPath}?resourceVersion=0&limit=1`)).arrayBuffer();
  // Collects its garbage, so that the heap is what it holds.
  await (await ask(`${kubernetes.url}/debug/pprof/heap?gc=1`)).arrayBuffer();
  return meter(await metrics(kubernetes.url), /^go_memstats_heap_alloc_bytes (.+)$/gm);
}
