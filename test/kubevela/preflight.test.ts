import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, type TestContext, test } from 'node:test';
import { kubeconfigText } from '../support/kubernetes/kubeconfig.ts';
import { listenOnLoopback } from '../support/listen.ts';
import { addressForNodes } from './addresses.ts';
import { CannotStart } from './arguments.ts';
import { Cluster } from './cluster.ts';
import { addonApplication, lookAround } from './preflight.ts';

/** What an API server answers a path with; any other is 404. */
type Answers = Readonly<Record<string, object>>;

const { KUBECONFIG, PATH } = process.env;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-preflight-'));
  process.env.KUBECONFIG = join(folder, 'kubeconfig');
  process.env.PATH = folder;
});
afterEach(async () => {
  process.env.PATH = PATH;
  if (KUBECONFIG === undefined) delete process.env.KUBECONFIG;
  else process.env.KUBECONFIG = KUBECONFIG;
  await rm(folder, { recursive: true });
});

async function installVela(version: string): Promise<void> {
  await writeFile(join(folder, 'vela'), `#!/bin/sh\necho "CLI Version: ${version}"\n`, { mode: 0o755 });
}

/** A cluster by the current kubeconfig, which may only be read. */
async function startCluster(t: TestContext, answers: Answers): Promise<Cluster> {
  const server = createServer(({ method, url = '' }, response) => {
    const answer = method === 'GET' ? answers[url.split('?')[0] ?? ''] : undefined;
    response.writeHead(answer === undefined ? 404 : 200).end(JSON.stringify(answer ?? {}));
  });
  const { url, close } = await listenOnLoopback(server);
  t.after(close);
  await writeFile(join(folder, 'kubeconfig'), kubeconfigText({ url }));
  const cluster = new Cluster();
  t.after(() => cluster.close());
  return cluster;
}

const kubernetes = { '/version': { gitVersion: 'v1.34.4' } };
function kubeVela(tag: string): Answers {
  const containers = [{ image: `registry.example.com:5000/oamdev/vela-core:${tag}` }];
  const deployment = { metadata: { name: 'vela-core' }, spec: { template: { spec: { containers } } } };
  return {
    ...kubernetes,
    '/apis/core.oam.dev/v1beta1': { resources: [] },
    '/apis/core.oam.dev/v1alpha1': { resources: [{ name: 'workflows' }] },
    '/apis/apps/v1/deployments': { items: [deployment] },
  };
}

const { signal } = new AbortController();
const options = { force: false, signal };

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CannotStart, String(error));
  return error.message;
}

describe('before anything is changed', () => {
  test('the cluster and its versions are found', async (t) => {
    await installVela('v1.10.9');
    const found = await lookAround(await startCluster(t, kubeVela('v1.11.0-alpha.4@sha256:abc')), options);
    assert.match(found.url, /^http:\/\/127\.0\.0\.1:/);
    assert.equal(found.cliVersion, 'v1.10.9');
    assert.equal(found.coreVersion, 'v1.11.0-alpha.4');
    assert.equal(found.hasWorkflowRuns, false);
  });

  test('a missing vela is said, with where to get it', async (t) => {
    assert.match(await refusal(lookAround(await startCluster(t, kubernetes), options)), /^vela is not on PATH: https:/);
  });

  test('a vela that is too old is refused', async (t) => {
    await installVela('v1.9.13');
    const message = await refusal(lookAround(await startCluster(t, kubernetes), options));
    assert.equal(message, 'the vela on PATH is v1.9.13; aftersync needs 1.10 or later');
  });

  test('a missing kubeconfig is said, with what to set', async () => {
    await installVela('v1.10.9');
    assert.match(await refusal(lookAround(new Cluster(), options)), /^no cluster: .*KUBECONFIG/);
  });

  test('a cluster without KubeVela is refused', async (t) => {
    await installVela('v1.10.9');
    const message = await refusal(lookAround(await startCluster(t, kubernetes), options));
    assert.match(message, /^there is no KubeVela in the cluster http:\S+: `vela install`/);
  });

  test('a KubeVela that is too old is refused, and one without a version is not', async (t) => {
    await installVela('v1.10.9');
    const message = await refusal(lookAround(await startCluster(t, kubeVela('v1.9.13')), options));
    assert.match(message, /^the KubeVela in http:\S+ is v1\.9\.13; aftersync needs 1\.10 or later$/);
    await lookAround(await startCluster(t, kubeVela('latest')), options);
  });

  test('an addon that is enabled is left alone, unless it may be replaced', async (t) => {
    await installVela('v1.10.9');
    const cluster = await startCluster(t, { ...kubeVela('v1.10.9'), [addonApplication]: {} });
    assert.match(await refusal(lookAround(cluster, options)), /^the addon aftersync is enabled .*--force/);
    await lookAround(cluster, { ...options, force: true });
  });

  test('the address of this machine is the one on the way to a node; where there is none, it is asked for', async (t) => {
    assert.match(await refusal(addressForNodes(await startCluster(t, {}))), /^no node of the cluster .*--address/);
    const node = { metadata: { name: 'a' }, status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] } };
    const loopback = await startCluster(t, { '/api/v1/nodes': { items: [node] } });
    assert.match(await refusal(addressForNodes(loopback)), /no way to the node 127\.0\.0\.1.*--address/);
  });
});
