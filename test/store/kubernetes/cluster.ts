import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import pino from 'pino';
import { parse } from 'yaml';
import { withDefaults } from '../../../src/core/schema.ts';
import { type Clock, systemClock } from '../../../src/core/time.ts';
import { kubernetes } from '../../../src/providers/kubernetes/connection.ts';
import { type Kubernetes, startKubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../../support/kubevela/cluster.ts';

const crdFile = new URL('../../../addon/aftersync/resources/stepexecutions.yaml', import.meta.url);

/** A real API server that knows StepExecutions, with the namespaces given. */
export async function startClusterWithExecutions(namespaces: readonly string[]): Promise<Kubernetes> {
  const cluster = await startKubernetes();
  await installStepExecutions(cluster);
  for (const name of namespaces) {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    await cluster.request({ method: 'POST', path: '/api/v1/namespaces', body: namespace });
  }
  return cluster;
}

/** `group`: in place of our own, for what nobody of ours should see. */
export async function installStepExecutions(cluster: Kubernetes, group = 'aftersync.dev'): Promise<void> {
  const body = parse((await readFile(crdFile, 'utf8')).replaceAll('aftersync.dev', group));
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const created = await cluster.request({ method: 'POST', path, body });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  await new Cluster(cluster).untilServed({ apiVersion: `${group}/v1alpha1`, kind: 'StepExecution' });
}

/** A client as the server makes it for its store. */
export function openClient(cluster: Kubernetes, changes: { readonly clock?: Clock; readonly options?: object } = {}) {
  const options = withDefaults(kubernetes.options, {
    kubeconfigFile: cluster.adminKubeconfigPath,
    ...changes.options,
  }) as Parameters<typeof kubernetes.open>[0];
  return kubernetes.open(options, {
    connectionName: 'cluster',
    clock: changes.clock ?? systemClock,
    log: pino({ level: process.env.TEST_LOG ?? 'silent' }),
    fetch: () => Promise.reject(new Error('clusters are not asked through this')),
    credential: (path) => ({ path, read: () => readFile(path, 'utf8') }),
  });
}
