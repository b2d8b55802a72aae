import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, fetch } from 'undici';

import { eventually } from '../eventually.ts';
import { type Kubernetes, startKubernetes } from './start-kubernetes.ts';

const WATCH_TIMEOUT_MS = 120_000;
const configMaps = '/api/v1/namespaces/default/configmaps';

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}
interface WatchEvent {
  readonly type: string;
  readonly object: ConfigMap & { readonly code?: number };
}

let kubernetes: Kubernetes;
before(async () => {
  kubernetes = await startKubernetes();
});
after(() => kubernetes.close());

async function createConfigMap(name: string): Promise<ConfigMap> {
  const { status, body } = await kubernetes.request({ method: 'POST', path: configMaps, body: { metadata: { name } } });
  assert.equal(status, 201, JSON.stringify(body));
  return body as ConfigMap;
}

/** The first event of a watch from that resourceVersion on. */
async function firstWatchEvent(resourceVersion: string): Promise<WatchEvent> {
  const dispatcher = new Agent({ connect: { ca: kubernetes.ca } });
  try {
    const url = new URL(`${configMaps}?watch=true&resourceVersion=${resourceVersion}`, kubernetes.url);
    const headers = { authorization: `Bearer ${kubernetes.adminToken}` };
    const signal = AbortSignal.timeout(WATCH_TIMEOUT_MS);
    // A server that has just started may be ready before its watch cache is, and asks to come back.
    const response = await eventually(
      () => fetch(url, { dispatcher, headers, signal }),
      ({ status }) => status !== 429,
    );
    assert.equal(response.status, 200);
    assert.ok(response.body);
    let received = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      received += chunk;
      const end = received.indexOf('\n');
      if (end >= 0) return JSON.parse(received.slice(0, end)) as WatchEvent;
    }
    throw new Error('the watch ended without an event');
  } finally {
    await dispatcher.destroy();
  }
}

test('a watch over verified TLS sees what is created after it began', async () => {
  const earlier = await createConfigMap('earlier');
  const event = firstWatchEvent(earlier.metadata.resourceVersion);
  await createConfigMap('later');
  const { type, object } = await event;
  assert.deepEqual([type, object.metadata.name], ['ADDED', 'later']);
});

test('a restarted API server keeps its objects and tells watchers of older versions that they are gone', async () => {
  const { metadata } = await createConfigMap('kept');
  // The version at which the restarted server begins is still one that it can watch from; this makes it a newer one.
  await createConfigMap('newest');
  await kubernetes.restartApiServer();
  const kept = await kubernetes.request({ method: 'GET', path: `${configMaps}/kept` });
  assert.equal((kept.body as ConfigMap).metadata.resourceVersion, metadata.resourceVersion);

  const { type, object } = await firstWatchEvent(metadata.resourceVersion);
  assert.deepEqual([type, object.code], ['ERROR', 410]);
});

test('objects outlive a restart of etcd', async () => {
  await createConfigMap('durable');
  await kubernetes.stopEtcd();
  await kubernetes.startEtcd();
  assert.equal((await kubernetes.request({ method: 'GET', path: `${configMaps}/durable` })).status, 200);
});

test('a paused API server answers once it is resumed', async () => {
  kubernetes.pauseApiServer();
  // The signal arrives a moment after it was sent.
  const { answer } = await eventually(
    async () => {
      const answer = kubernetes.request({ method: 'GET', path: configMaps }).then(() => 'answered');
      return { answer, seen: await Promise.race([answer, delay(200, 'silent')]) };
    },
    ({ seen }) => seen === 'silent',
  );
  kubernetes.resumeApiServer();
  assert.equal(await answer, 'answered');
});

test('a service account may do nothing until a role is bound, and its token says who it is', async () => {
  const account = '/api/v1/namespaces/default/serviceaccounts';
  await kubernetes.request({ method: 'POST', path: account, body: { metadata: { name: 'reader' } } });
  const issued = await kubernetes.request({ method: 'POST', path: `${account}/reader/token`, body: { spec: {} } });
  const { token } = (issued.body as { status: { token: string } }).status;
  assert.equal((await kubernetes.request({ method: 'GET', path: configMaps, token })).status, 403);

  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
  const path = '/apis/authentication.k8s.io/v1/tokenreviews';
  const { body } = await kubernetes.request({ method: 'POST', path, body: review });
  const { status } = body as { status: { user: { username: string } } };
  assert.equal(status.user.username, 'system:serviceaccount:default:reader');
});

test('the kubeconfig names this API server, its issuer and the administrator', async () => {
  const kubeconfig = JSON.parse(await readFile(kubernetes.adminKubeconfigPath, 'utf8'));
  const { cluster } = kubeconfig.clusters[0];
  assert.equal(cluster.server, kubernetes.url);
  const ca = Buffer.from(cluster['certificate-authority-data'], 'base64').toString();
  const dispatcher = new Agent({ connect: { ca } });
  const headers = { authorization: `Bearer ${kubeconfig.users[0].user.token}` };
  assert.equal((await fetch(`${cluster.server}${configMaps}`, { dispatcher, headers })).status, 200);
  await dispatcher.destroy();
});
