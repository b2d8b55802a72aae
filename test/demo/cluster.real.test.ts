import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { kubeconfigText } from '../support/kubernetes/kubeconfig.ts';
import { listenOnLoopback } from '../support/listen.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { askCluster, type ClusterAnswer } from './cluster.ts';

/** What is said of the cluster that this kubeconfig names. */
async function ask(test: TestContext, kubeconfig: string): Promise<ClusterAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-ask-cluster-'));
  test.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'kubeconfig');
  await writeFile(file, kubeconfig);
  return await askCluster({ ...process.env, KUBECONFIG: file });
}

async function serve(test: TestContext, answer: RequestListener): Promise<string> {
  const { url, close } = await listenOnLoopback(createServer(answer));
  test.after(close);
  return url;
}

async function why(test: TestContext, kubeconfig: string): Promise<string> {
  const answer = await ask(test, kubeconfig);
  assert.ok('why' in answer, JSON.stringify(answer));
  return answer.why;
}

describe('the cluster of the current kubeconfig', () => {
  it('is taken where it lets us read its namespace default, for which it is asked once and for nothing else', async (t) => {
    const requests: string[] = [];
    const url = await serve(t, ({ method, url: path, headers }, response) => {
      requests.push(`${method} ${path} ${headers.authorization}`);
      response.end(JSON.stringify({ kind: 'Namespace', metadata: { name: 'default' } }));
    });
    assert.deepEqual(await ask(t, kubeconfigText({ url, user: { token: 't' } })), { url });
    assert.deepEqual(requests, ['GET /api/v1/namespaces/default Bearer t']);
  });

  it('is left alone where it does not', async (t) => {
    const url = await serve(t, (_, response) => {
      response.writeHead(403).end(JSON.stringify({ kind: 'Status', message: 'forbidden' }));
    });
    assert.match(await why(t, kubeconfigText({ url })), /may not get namespaces default.*\(403 forbidden\)$/);
  });

  it('is left alone where something else answers in its place', async (t) => {
    const url = await serve(t, (_, response) => {
      response.end('<html>');
    });
    assert.match(await why(t, kubeconfigText({ url })), /no usable answer/);
  });

  it('is left alone where nothing listens', async (t) => {
    const url = `http://127.0.0.1:${await freeLoopbackPort()}`;
    assert.match(await why(t, kubeconfigText({ url })), /cannot be reached: .*ECONNREFUSED/);
  });

  it('is left alone where it says nothing', async (t) => {
    const url = await serve(t, () => {});
    assert.match(await why(t, kubeconfigText({ url })), /cannot be reached: .*time/);
  });

  it('is left alone where a plug-in of the kubeconfig hangs, and the plug-in is ended', {
    timeout: 300_000,
  }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'aftersync-plug-in-'));
    t.after(() => rm(folder, { recursive: true }));
    // The plug-in holds a connection to this server for as long as it lives.
    const ended = Promise.withResolvers<void>();
    const plugIn = await serve(t, ({ socket }) => socket.once('close', () => ended.resolve()));
    const script = `fetch('${plugIn}').catch(() => {}); setInterval(() => {}, 1000)`;
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: process.execPath,
      args: ['--eval', script],
    };
    assert.match(await why(t, kubeconfigText({ url: plugIn, user: { exec } })), /cannot be reached/);
    await ended.promise;
  });

  it('is left alone where the kubeconfig is broken or missing', async (t) => {
    assert.match(await why(t, '{ clusters: ['), /^the default kubeconfig cannot be used: /);
    const missing = await askCluster({ ...process.env, KUBECONFIG: join(tmpdir(), 'aftersync-no-such-kubeconfig') });
    assert.match('why' in missing ? missing.why : '', /^the default kubeconfig cannot be used: /);
  });
});
