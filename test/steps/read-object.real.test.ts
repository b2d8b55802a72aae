import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ConnectionSettings } from '../../src/core/connection.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import {
  accountToken,
  apply,
  completeRollOut,
  createDeployment,
  deployments,
  kubeconfigOf,
  writeStatus,
} from '../providers/kubernetes/cluster-objects.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openReadBench, type ReadBench } from './read-object-workbench.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

let cluster: Kubernetes;
let kubeconfig: string;
before(async () => {
  cluster = await startKubernetes();
  kubeconfig = await kubeconfigOf(cluster);
});
after(() => cluster.close());

const open = (allow: ConnectionSettings['allow'] = {}): Promise<ReadBench> =>
  openReadBench({ kubeconfig: () => kubeconfig, allow });

/** One execution from its request to its end. */
async function run(params: JsonObject, allow?: ConnectionSettings['allow'], more?: JsonObject) {
  await using bench = await open(allow);
  await bench.submit('e1', params, more);
  return (await bench.ended('e1')).status;
}

const createConfigMap = (name: string, data: JsonObject = {}) =>
  apply(cluster, { method: 'POST', path: configMaps, body: { metadata: { name }, data } });

describe('read-object hands on', () => {
  it('the object where KubeVela has it, found by its kind alone', async () => {
    await createDeployment(cluster, 'plain');
    const { state, outputs } = await run({ kind: 'Deployment', name: 'plain' });
    assert.equal(state, 'succeeded');
    const value = outputs.value as { kind: string; metadata: JsonObject; spec: { replicas: number } };
    assert.equal(value.kind, 'Deployment');
    assert.equal(value.spec.replicas, 2);
    assert.equal(value.metadata.managedFields, undefined);
    assert.deepEqual(outputs.$returns, { value });
  });

  it('what select names, each under its own name and nothing else', async () => {
    await createDeployment(cluster, 'selected');
    const select = {
      image: '{.spec.template.spec.containers[?(@.name=="main")].image}',
      images: '.spec.template.spec.containers[*].image',
      paused: '.spec.paused',
    };
    const { outputs } = await run({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'selected', select });
    assert.deepEqual(outputs, { image: 'example.invalid/app:1', images: ['example.invalid/app:1'], paused: null });
  });

  it('nothing but why, where a missing object is ignored', async () => {
    const { state, outputs } = await run({ kind: 'ConfigMap', name: 'nowhere', missing: 'ignore' });
    const returns = { value: {}, err: 'ConfigMap default/nowhere does not exist' };
    assert.deepEqual({ state, outputs }, { state: 'succeeded', outputs: { ...returns, $returns: returns } });
  });
});

describe('read-object waits', () => {
  it('until a rollout is over, and not while its controller has not seen the newest spec', async () => {
    await createDeployment(cluster, 'rolling');
    await using bench = await open();
    await bench.submit('e1', { kind: 'Deployment', name: 'rolling', waitFor: 'rolledOut' });
    await bench.waiting('e1');
    await completeRollOut(cluster, 'rolling', 1);
    const { status } = await bench.ended('e1');
    assert.equal(status.state, 'succeeded');
    assert.equal(status.message, 'Deployment default/rolling is rolled out');

    // A new spec, whose controller is late: what stands in the status is of the old one.
    const path = `${deployments}/rolling`;
    const contentType = 'application/merge-patch+json';
    await apply(cluster, { method: 'PATCH', path, body: { spec: { minReadySeconds: 1 } }, contentType });
    await bench.submit('e2', { kind: 'Deployment', name: 'rolling', waitFor: 'rolledOut' });
    assert.equal((await bench.waiting('e2')).status.message, 'waiting for Deployment default/rolling to be rolled out');
    await completeRollOut(cluster, 'rolling', 2);
    assert.equal((await bench.ended('e2')).status.state, 'succeeded');
  });

  it('for an object that is created later', async () => {
    await using bench = await open();
    await bench.submit('e1', { kind: 'ConfigMap', name: 'later', waitFor: 'exists' });
    assert.equal((await bench.waiting('e1')).status.message, 'waiting for ConfigMap default/later to exist');
    await createConfigMap('later');
    assert.equal((await bench.ended('e1')).status.state, 'succeeded');
  });

  it('for a condition, and for a value at a path', async () => {
    await createDeployment(cluster, 'conditions');
    await using bench = await open();
    const object = { kind: 'Deployment', name: 'conditions' };
    await bench.submit('e1', { ...object, waitFor: { condition: { type: 'available' } } });
    await bench.submit('e2', { ...object, waitFor: { jsonPath: '.status.readyReplicas', equals: 2 } });
    await bench.submit('e3', { ...object, waitFor: { jsonPath: '.status.readyReplicas', equals: '2' } });
    for (const id of ['e1', 'e2', 'e3']) await bench.waiting(id);
    await completeRollOut(cluster, 'conditions', 1);
    for (const id of ['e1', 'e2', 'e3']) assert.equal((await bench.ended(id)).status.state, 'succeeded');
  });

  it('on after a restart of the executor, without asking anew', async () => {
    await createDeployment(cluster, 'restarted');
    const store = await openSqliteStore({ path: ':memory:' });
    const first = await openReadBench({ kubeconfig: () => kubeconfig, store });
    await first.submit('e1', { kind: 'Deployment', name: 'restarted', waitFor: 'rolledOut' });
    await first.waiting('e1');
    await first.close();
    await completeRollOut(cluster, 'restarted', 1);
    const second = await openReadBench({ kubeconfig: () => kubeconfig, store });
    assert.equal((await second.ended('e1')).status.state, 'succeeded');
    await second.close();
    await store.close();
  });

  it('on while the API server restarts', async () => {
    await createDeployment(cluster, 'outage');
    await using bench = await open();
    await bench.submit('e1', { kind: 'Deployment', name: 'outage', waitFor: 'rolledOut' });
    await bench.waiting('e1');
    await cluster.restartApiServer();
    await completeRollOut(cluster, 'outage', 1);
    assert.equal((await bench.ended('e1')).status.state, 'succeeded');
  });
});

describe('readyWhen', () => {
  it('keeps a step from being begun until another object is as it should be', async () => {
    await createDeployment(cluster, 'gate');
    await createConfigMap('behind', { a: 'b' });
    await using bench = await open();
    const readyWhen = { object: { kind: 'Deployment', name: 'gate' } };
    await bench.submit('e1', { kind: 'ConfigMap', name: 'behind', select: { a: '.data.a' } }, { readyWhen });
    const waiting = await bench.waiting('e1');
    assert.equal(waiting.status.message, 'waiting for Deployment default/gate to be rolled out');
    await completeRollOut(cluster, 'gate', 1);
    const { state, outputs } = (await bench.ended('e1')).status;
    assert.deepEqual([state, outputs], ['succeeded', { a: 'b' }]);
  });

  it('is bound by the same policy', async () => {
    const readyWhen = { object: { kind: 'ConfigMap', name: 'x', namespace: 'kube-system' }, waitFor: 'exists' };
    const { reason, message } = await run({ kind: 'ConfigMap', name: 'behind' }, {}, { readyWhen });
    assert.equal(reason, 'Denied');
    assert.match(message, /readNamespaces \(none\), not kube-system/);
  });
});

describe('read-object fails', () => {
  it('at once where the object or its kind is missing, and says what is alike', async () => {
    const missing = await run({ kind: 'ConfigMap', name: 'nowhere' });
    assert.deepEqual([missing.reason, missing.message], ['NotFound', 'ConfigMap default/nowhere does not exist']);
    const crd = await run({ kind: 'Widget', name: 'w' });
    assert.deepEqual(
      [crd.reason, crd.message],
      ['NotFound', 'the cluster knows no kind Widget: is its CRD installed?'],
    );
    const plural = await run({ kind: 'deployments', name: 'w' });
    assert.equal(plural.message, 'the cluster knows no kind deployments; did you mean Deployment?');
    const version = await run({ apiVersion: 'apps/v1beta1', kind: 'Deployment', name: 'w' });
    assert.equal(version.message, 'the cluster serves Deployment as apps/v1, not as apps/v1beta1');
  });

  it('where several APIs have the kind, and names them', async () => {
    const { reason, message } = await run({ kind: 'Event', name: 'e' });
    assert.equal(reason, 'Rejected');
    assert.match(message, /set apiVersion to one of v1, events.k8s.io\/v1$/);
  });

  it('where the object is deleted while it is waited for', async () => {
    await createDeployment(cluster, 'deleted');
    await using bench = await open();
    await bench.submit('e1', { kind: 'Deployment', name: 'deleted', waitFor: 'rolledOut' });
    await bench.waiting('e1');
    await apply(cluster, { method: 'DELETE', path: `${deployments}/deleted` });
    const { reason, message } = (await bench.ended('e1')).status;
    assert.equal(reason, 'ObjectDeleted');
    assert.equal(message, 'Deployment default/deleted was deleted while it was waited for');
  });

  it('where another object took the name while nobody looked', async () => {
    await createDeployment(cluster, 'replaced');
    const store = await openSqliteStore({ path: ':memory:' });
    const first = await openReadBench({ kubeconfig: () => kubeconfig, store });
    await first.submit('e1', { kind: 'Deployment', name: 'replaced', waitFor: 'rolledOut' });
    await first.waiting('e1');
    await first.close();
    await apply(cluster, { method: 'DELETE', path: `${deployments}/replaced` });
    await createDeployment(cluster, 'replaced');
    await completeRollOut(cluster, 'replaced', 1);
    const second = await openReadBench({ kubeconfig: () => kubeconfig, store });
    assert.equal((await second.ended('e1')).status.reason, 'ObjectReplaced');
    await second.close();
    await store.close();
  });

  it('where the controller says that it has given up', async () => {
    await createDeployment(cluster, 'stuck');
    await using bench = await open();
    await bench.submit('e1', { kind: 'Deployment', name: 'stuck', waitFor: 'rolledOut' });
    await bench.waiting('e1');
    await writeStatus(cluster, `${deployments}/stuck`, {
      observedGeneration: 1,
      conditions: [
        { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'it takes too long' },
      ],
    });
    const { reason, message } = (await bench.ended('e1')).status;
    assert.equal(reason, 'ObjectFailed');
    assert.equal(message, 'Deployment default/stuck has failed: ProgressDeadlineExceeded: it takes too long');
  });

  it('at its deadline, and tells how far the object was', async () => {
    await createDeployment(cluster, 'slow');
    const clock = new ManualClock();
    await using bench = await openReadBench({ kubeconfig: () => kubeconfig, clock });
    const object = { kind: 'Deployment', name: 'slow' };
    await bench.submit('e1', { ...object, waitFor: 'rolledOut' }, { timeout: '1m' });
    await bench.submit('e2', { ...object, waitFor: { jsonPath: '.status.updatedReplicas', equals: 1 } });
    for (const id of ['e1', 'e2']) await bench.waiting(id);
    await writeStatus(cluster, `${deployments}/slow`, { observedGeneration: 1, replicas: 2, updatedReplicas: 1 });
    // It has heard of that by the watch, which knows it for the other one too.
    await bench.ended('e2');
    clock.advance(60_000);
    const { reason, message } = (await bench.ended('e1')).status;
    assert.equal(reason, 'TimedOut');
    assert.match(message, /1 of 2 replicas are updated$/);
  });

  it('with an object of 2 MB, and points to select, with which it succeeds', async () => {
    // In etcd a quote is one byte, in JSON two.
    const env = [{ name: 'LARGE', value: '"'.repeat(1_100_000) }];
    await createDeployment(cluster, 'large', { env });
    const { reason, message } = await run({ kind: 'Deployment', name: 'large' });
    assert.equal(reason, 'TooLarge');
    assert.match(message, /outputs have 4\d{6} bytes and at most 65536 are kept: take the fields .* with select$/);
    const { outputs } = await run({ kind: 'Deployment', name: 'large', select: { replicas: '.spec.replicas' } });
    assert.deepEqual(outputs, { replicas: 2 });
  });

  it('where the account lacks a right, and says what to grant', async () => {
    const rule = { apiGroups: ['apps'], resources: ['deployments'] };
    await createDeployment(cluster, 'guarded');
    const mayNothing = await accountToken(cluster, 'may-nothing', [{ ...rule, verbs: ['create'] }]);
    const mayGet = await accountToken(cluster, 'may-get', [{ ...rule, verbs: ['get'] }]);
    for (const [token, pattern] of [
      [
        mayNothing,
        /may not get deployments.apps guarded in namespace default: grant its account get, list and watch on .* \(for the addon: by a ClusterRole labelled aftersync.dev\/aggregate-to-reader: "true"\) \(403 /,
      ],
      [mayGet, /cannot watch deployments.apps guarded in namespace default.*cannot list resource/],
    ] as const) {
      const own = await kubeconfigOf(cluster, { token });
      await using bench = await openReadBench({ kubeconfig: () => own });
      await bench.submit('e1', { kind: 'Deployment', name: 'guarded', waitFor: 'rolledOut' });
      const { reason, message } = (await bench.ended('e1')).status;
      assert.equal(reason, 'ConnectionFailed');
      assert.match(message, pattern);
    }
  });
});

describe('the connection allows', () => {
  it('no namespace but the own, unless readNamespaces names it', async () => {
    await apply(cluster, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'other' } } });
    const path = '/api/v1/namespaces/other/configmaps';
    await apply(cluster, { method: 'POST', path, body: { metadata: { name: 'shared' } } });
    const params = { kind: 'ConfigMap', name: 'shared', namespace: 'other' };
    const denied = await run(params);
    assert.equal(denied.reason, 'Denied');
    assert.equal(
      denied.message,
      'connection cluster (aftersync.yaml:1) allows the readNamespaces (none), not other; ask platform@example.com',
    );
    assert.equal((await run(params, { readNamespaces: ['oth*'] })).state, 'succeeded');
  });

  it('no Secret, unless secrets names it', async () => {
    const path = '/api/v1/namespaces/default/secrets';
    await apply(cluster, { method: 'POST', path, body: { metadata: { name: 'token' }, stringData: { a: 'b' } } });
    const params = { kind: 'Secret', name: 'token', select: { a: '.data.a' } };
    assert.match((await run(params)).message, /allows the secrets \(none\), not default\/token/);
    assert.deepEqual((await run(params, { secrets: ['default/tok*'] })).outputs, { a: 'Yg==' });
  });

  it('no kind without a namespace, unless clusterKinds names it', async () => {
    const params = { kind: 'Namespace', name: 'default', waitFor: { jsonPath: '.status.phase', equals: 'Active' } };
    assert.equal((await run(params)).reason, 'Denied');
    assert.equal((await run(params, { clusterKinds: ['Namespace'] })).state, 'succeeded');
  });
});
