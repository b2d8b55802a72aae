import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { JsonObject } from '../../src/core/json.ts';
import { installStepExecutions } from '../store/kubernetes/cluster.ts';
import { listenOnLoopback } from '../support/listen.ts';
import { alternate } from './alternate.ts';
import type { Bench } from './bench.ts';
import { type KubernetesBench, openKubernetesBench } from './kubernetes-bench.ts';
import { answersPerSecond } from './load.ts';
import { putRequest } from './step-request.ts';

const connections = 64;
/** Of the same schema, and of nobody's: a replica would take the bare client's executions for its own. */
const bareGroup = 'bare.example.com';

/**
 * From the first request to the last execution's end. The step purges at a provider that says yes at once, so that what is
 * measured is the record: the object, the intent, and the outcome with the result.
 */
export const kubernetesCreate: Bench = {
  title: 'executions with one effect through one replica, against a bare client that writes the same to the API server',
  unit: 'executions/s',
  bound: { of: 'ratio', direction: 'at least', limit: 0.7 },

  async measure({ rounds, executions }, progress) {
    progress('starting an API server');
    await using bench = await openKubernetesBench();
    await installStepExecutions(bench.kubernetes, bareGroup);
    await using stack = new AsyncDisposableStack();
    const provider = await listenOnLoopback(createServer((_, response) => response.setHeader('x-purge', '1').end()));
    stack.defer(() => provider.close());
    const replica = await bench.startReplica(
      'create',
      `store: { type: kubernetes, writesPerSecond: 100000 }
connections:
  - { name: edge, type: nginx, endpoints: ["${provider.url}"], allow: { namespaces: ["*"], hosts: ["*"] } }
`,
    );
    const count = Math.ceil(executions / 200);
    let round = 0;
    const ours = () => throughReplica(replica.url, `ours${round++}`, count);
    progress('warming up');
    await ours();
    const sample = await readExecution(bench, 'ours0-0');
    const bare = bareClient(bench, sample);
    stack.defer(() => bare.close());
    const reference = () => bare.write(`bare${round++}`, count);
    await reference();
    return await alternate({ rounds, ours, reference, progress });
  },
};

async function throughReplica(url: string, prefix: string, count: number): Promise<number> {
  const startedAt = performance.now();
  const requests = Array.from({ length: count }, (_, index) => purgeRequest(`${prefix}-${index}`)).values();
  const durationMs = Number.POSITIVE_INFINITY;
  await answersPerSecond({ url, connections, requests, durationMs, expectedStatus: 201 });
  while ((await unfinished(url)) > 0) await delay(5);
  return (count * 1_000) / (performance.now() - startedAt);
}

async function unfinished(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^aftersync_executions_unfinished (\S+)$/m.exec(text)?.[1]);
}

function purgeRequest(id: string): string {
  return putRequest(id, JSON.stringify({ step: 'purge-cdn', with: { urls: [`http://www.example.com/${id}`] } }));
}

async function readExecution({ kubernetes }: KubernetesBench, id: string): Promise<JsonObject> {
  const { body } = await kubernetes.request({ method: 'GET', path: `${collectionOf('aftersync.dev')}/${id}` });
  const { status } = body as { readonly status: JsonObject };
  if (status.state !== 'succeeded') throw new Error(`${id} is not as it should be: ${JSON.stringify(status)}`);
  return body as JsonObject;
}

function collectionOf(group: string): string {
  return `/apis/${group}/v1alpha1/namespaces/default/stepexecutions`;
}

/** As often as the replica has written the sample, and as much: the object, and its status each time. */
function bareClient({ kubernetes }: KubernetesBench, sample: JsonObject) {
  const apiVersion = `${bareGroup}/v1alpha1`;
  const collection = collectionOf(bareGroup);
  const { kind, spec, status, metadata } = sample as Record<string, JsonObject>;
  const dispatcher = new Agent({ connect: { ca: kubernetes.ca } });
  const headers = { authorization: `Bearer ${kubernetes.adminToken}`, 'content-type': 'application/json' };
  const send = async (method: 'POST' | 'PUT', path: string, body: object): Promise<JsonObject> => {
    const answer = await request(kubernetes.url + path, { dispatcher, method, headers, body: JSON.stringify(body) });
    const written = (await answer.body.json()) as JsonObject;
    if (answer.statusCode >= 300) throw new Error(`the API server answered ${answer.statusCode}`);
    return written;
  };
  const statusWrites = Number(status?.version) - 1;
  const writeOne = async (name: string) => {
    const made = { name, namespace: 'default', labels: metadata?.labels };
    let written = await send('POST', collection, { apiVersion, kind, metadata: made, spec });
    for (let version = 2; version < 2 + statusWrites; version++) {
      const { resourceVersion, uid } = written.metadata as JsonObject;
      const body = {
        apiVersion,
        kind,
        metadata: { ...made, resourceVersion, uid },
        spec,
        status: { ...status, version },
      };
      written = await send('PUT', `${collection}/${name}/status`, body);
    }
  };
  return {
    async write(prefix: string, count: number): Promise<number> {
      const startedAt = performance.now();
      const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`).values();
      const lane = async () => {
        for (const name of names) await writeOne(name);
      };
      await Promise.all(Array.from({ length: connections }, lane));
      return (count * 1_000) / (performance.now() - startedAt);
    },
    close: () => dispatcher.destroy(),
  };
}
