import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ConnectionSettings } from '../../../src/core/connection.ts';
import type { ExecutionStatus } from '../../../src/core/execution.ts';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import {
  accountToken,
  apply,
  completeRollOut,
  createDeployment,
  deployments,
  kubeconfigOf,
} from '../../providers/kubernetes/cluster-objects.ts';
import { type ClusterGateway, startClusterGateway } from '../../support/kubernetes/cluster-gateway.ts';
import { type Kubernetes, startKubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../../support/kubevela/cluster.ts';
import { installKubeVela } from '../../support/kubevela/crds.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openReadBench } from '../read-object-workbench.ts';

let hub: Kubernetes;
let edge: Kubernetes;
let gateway: ClusterGateway;
before(async () => {
  hub = await startKubernetes();
  edge = await startKubernetes();
  gateway = await startClusterGateway(hub, { edge });
  await installKubeVela(new Cluster(hub), 'without-workflow-runs');
});
after(async () => {
  await gateway?.close();
  await Promise.all([hub?.close(), edge?.close()]);
});

interface Asked {
  readonly more?: JsonObject;
  readonly allow?: ConnectionSettings['allow'];
  readonly options?: Readonly<Record<string, Json>>;
  readonly kubeconfig?: string;
}

/** One execution from its request to its end. */
async function run(params: JsonObject, { more, kubeconfig = gateway.kubeconfig(), ...given }: Asked = {}) {
  await using bench = await openReadBench({ kubeconfig: () => kubeconfig, ...given });
  await bench.submit('e1', params, more);
  return (await bench.ended('e1')).status;
}

const origin = (id: string, name = 'shop') => ({
  kind: 'Application',
  namespace: 'default',
  name,
  step: 'after',
  sessionID: id,
});

async function createApplication(name: string, annotations: JsonObject = {}, appliedResources: readonly Json[] = []) {
  const path = '/apis/core.oam.dev/v1beta1/namespaces/default/applications';
  const body = {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name, annotations },
    spec: { components: [{ name: 'web', type: 'webservice' }] },
  };
  await apply(hub, { method: 'POST', path, body });
  const contentType = 'application/merge-patch+json';
  const status = { appliedResources };
  await apply(hub, { method: 'PATCH', path: `${path}/${name}/status`, body: { status }, contentType });
}

const reasonIn = ({ reason, message }: ExecutionStatus) => [reason, message];

describe('an object of a managed cluster', () => {
  const clusters = { clusters: ['ed*'] };

  it('is read and watched through the gateway, and is not one of the hub', async () => {
    await createDeployment(edge, 'remote');
    const { replicas } = (
      await run(
        { kind: 'Deployment', name: 'remote', cluster: 'edge', select: { replicas: '.spec.replicas' } },
        {
          allow: clusters,
        },
      )
    ).outputs;
    assert.equal(replicas, 2);
    assert.equal((await run({ kind: 'Deployment', name: 'remote', cluster: 'local' })).reason, 'NotFound');
    assert.deepEqual(
      reasonIn(await run({ kind: 'Deployment', name: 'nowhere', cluster: 'edge' }, { allow: clusters })),
      ['NotFound', 'Deployment default/nowhere in cluster edge does not exist'],
    );

    await using bench = await openReadBench({ kubeconfig: () => gateway.kubeconfig(), allow: clusters });
    await bench.submit('e1', { kind: 'Deployment', name: 'remote', cluster: 'edge', waitFor: 'rolledOut' });
    const waiting = await bench.waiting('e1');
    assert.equal(waiting.status.message, 'waiting for Deployment default/remote in cluster edge to be rolled out');
    await completeRollOut(edge, 'remote', 1);
    assert.equal((await bench.ended('e1')).status.state, 'succeeded');
    assert.ok(gateway.forwarded.some((path) => path.startsWith(`edge ${deployments}?watch=1`)));
  });

  it('is denied, and its cluster is not asked, unless clusters names it', async () => {
    const before = gateway.forwarded.length;
    for (const allow of [{}, { clusters: ['other'] }]) {
      const { reason, message } = await run({ kind: 'Deployment', name: 'remote', cluster: 'edge' }, { allow });
      assert.equal(reason, 'Denied');
      assert.match(message, /allows the clusters (\(none\)|other), not edge; ask platform@example.com$/);
    }
    assert.equal(gateway.forwarded.length, before);
  });

  it('is a Secret only where secrets names it with its cluster', async () => {
    const path = '/api/v1/namespaces/default/secrets';
    await apply(edge, { method: 'POST', path, body: { metadata: { name: 'token' }, stringData: { a: 'b' } } });
    const params = { kind: 'Secret', name: 'token', cluster: 'edge', select: { a: '.data.a' } };
    const denied = await run(params, { allow: { ...clusters, secrets: ['default/*'] } });
    assert.match(denied.message, /allows the secrets default\/\*, not edge\/default\/token/);
    assert.deepEqual((await run(params, { allow: { ...clusters, secrets: ['edge/default/*'] } })).outputs, {
      a: 'Yg==',
    });
  });

  it('of a cluster that KubeVela does not know is asked for until the deadline', async () => {
    const clock = new ManualClock();
    await using bench = await openReadBench({ kubeconfig: () => gateway.kubeconfig(), allow: clusters, clock });
    await bench.submit('e1', { kind: 'Deployment', name: 'remote', cluster: 'edgar' }, { timeout: '1m' });
    const unknown = /KubeVela knows no cluster edgar/;
    await bench.until('e1', ({ status }) => unknown.test(status.message));
    clock.advance(60_000);
    const { reason, message } = (await bench.ended('e1')).status;
    assert.equal(reason, 'TimedOut');
    assert.match(message, unknown);
  });

  it('fails clearly where KubeVela has no gateway', async () => {
    await using without = await startClusterGateway(hub, {});
    without.uninstall();
    const params = { kind: 'Deployment', name: 'remote', cluster: 'edge' };
    const { reason, message } = await run(params, { allow: clusters, kubeconfig: without.kubeconfig() });
    assert.equal(reason, 'ConnectionFailed');
    assert.match(message, /^cluster-gateway is not there, through which KubeVela reaches cluster edge/);
  });
});

describe('by the defaults of KubeVela', () => {
  it('read-object reads an Application of its own namespace', async () => {
    await createApplication('defaults');
    const { outputs } = await run({ name: 'defaults', namespace: '', cluster: '' });
    const value = outputs.value as { readonly apiVersion: string; readonly kind: string };
    assert.deepEqual([value.apiVersion, value.kind], ['core.oam.dev/v1beta1', 'Application']);
    assert.deepEqual(outputs.$returns, { value });
  });
});

describe('where an Application names a service account', () => {
  const annotations = { 'app.oam.dev/service-account-name': 'deployer' };
  const onDeployments = { apiGroups: ['apps'], resources: ['deployments'] };
  const onApplications = { apiGroups: ['core.oam.dev'], resources: ['applications'], verbs: ['get'] };
  const mayActAs = {
    apiGroups: [''],
    resources: ['serviceaccounts'],
    verbs: ['impersonate'],
    resourceNames: ['deployer'],
  };
  const all = ['get', 'list', 'watch'];
  const params = { kind: 'Deployment', name: 'guarded', waitFor: 'rolledOut' };
  const options = { impersonate: true };
  const more = { origin: origin('e1', 'impersonating') };
  let executor: string;

  before(async () => {
    await createApplication('impersonating', annotations);
    await createDeployment(hub, 'guarded');
    const rules = [{ ...onDeployments, verbs: all }, onApplications, mayActAs];
    executor = await kubeconfigOf(hub, { token: await accountToken(hub, 'executor', rules) });
  });

  it('it is denied by a connection that does not impersonate', async () => {
    const { reason, message } = await run(params, { kubeconfig: executor, more });
    assert.equal(reason, 'Denied');
    assert.match(message, /Application default\/impersonating is to act as its service account deployer/);
  });

  it('what that account may not see is not seen, and the message says what to grant it', async () => {
    const { reason, message } = await run(params, { kubeconfig: executor, options, more });
    assert.equal(reason, 'ConnectionFailed');
    assert.match(
      message,
      /^system:serviceaccount:default:deployer may not get deployments.apps guarded in namespace default: grant it get on deployments.apps in namespace default \(403 /,
    );
  });

  it('it waits by the watch of our own account for what that account may read', async () => {
    await accountToken(hub, 'deployer', [{ ...onDeployments, verbs: ['get'] }]);
    await using bench = await openReadBench({ kubeconfig: () => executor, options });
    await bench.submit('e1', params, more);
    await bench.waiting('e1');
    await completeRollOut(hub, 'guarded', 1);
    assert.equal((await bench.ended('e1')).status.state, 'succeeded');
  });

  it('an executor that may not impersonate is told what it takes', async () => {
    const token = await accountToken(hub, 'powerless', [{ ...onDeployments, verbs: all }, onApplications]);
    const kubeconfig = await kubeconfigOf(hub, { token });
    const { reason, message } = await run(params, { kubeconfig, options, more });
    assert.equal(reason, 'ConnectionFailed');
    assert.match(
      message,
      /^the connection may not act as system:serviceaccount:default:deployer: grant its account impersonate on serviceaccounts/,
    );
  });
});

describe('onChange', () => {
  const configMaps = '/api/v1/namespaces/default/configmaps';
  const contentType = 'application/merge-patch+json';
  const params = { kind: 'ConfigMap', name: 'handed-on', select: { a: '.data.a' } };

  /** Executions of one step, one after the other. */
  async function openRuns(onChange: JsonObject, allow: ConnectionSettings['allow'] = {}) {
    const bench = await openReadBench({ kubeconfig: () => gateway.kubeconfig(), allow });
    return {
      [Symbol.asyncDispose]: bench.close,
      async run(id: string) {
        await bench.submit(id, params, { onChange, origin: origin(id) });
        const { state, reason, message, outputs } = (await bench.ended(id)).status;
        return state === 'succeeded' ? (reason ?? outputs.newValue) : message;
      },
    };
  }

  before(async () => {
    const labels = { 'app.oam.dev/component': 'web' };
    const body = (name: string, more: JsonObject) => ({ metadata: { name, ...more }, data: { a: 'b' } });
    await apply(hub, { method: 'POST', path: configMaps, body: body('handed-on', {}) });
    await apply(hub, { method: 'POST', path: configMaps, body: body('settings', { labels }) });
    await createDeployment(hub, 'web');
    await apply(hub, { method: 'PATCH', path: `${deployments}/web`, body: { metadata: { labels } }, contentType });
    await createDeployment(edge, 'web');
    await apply(edge, { method: 'PATCH', path: `${deployments}/web`, body: { metadata: { labels } }, contentType });
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', namespace: 'default' };
    await createApplication('shop', {}, [
      { ...deployment, creator: 'workflow', cluster: 'local' },
      { ...deployment, creator: 'workflow', cluster: 'edge' },
      { apiVersion: 'v1', kind: 'ConfigMap', name: 'settings', namespace: 'default', creator: 'workflow' },
      { apiVersion: 'v1', kind: 'ConfigMap', name: 'handed-on', namespace: 'default', creator: 'workflow' },
    ]);
  });

  it('of an object: not by what KubeVela writes on it with each revision, which raises a generation', async () => {
    await using runs = await openRuns({ object: { kind: 'Deployment', name: 'web' } });
    const path = `${deployments}/web`;
    assert.equal(await runs.run('e1'), 1);
    const revision = {
      labels: { 'app.oam.dev/appRevision': 'shop-v2' },
      annotations: { 'app.oam.dev/last-applied-configuration': '{"with":"the label"}' },
    };
    const { metadata } = await apply(hub, { method: 'PATCH', path, body: { metadata: revision }, contentType });
    assert.equal((metadata as JsonObject).generation, 2);
    assert.equal(await runs.run('e2'), 'Unchanged');
    await apply(hub, { method: 'PATCH', path, body: { spec: { minReadySeconds: 1 } }, contentType });
    assert.equal(await runs.run('e3'), 3);
  });

  it('of an object: by its fields, and by another object of its name', async () => {
    const image = '.spec.template.spec.containers[0].image';
    await using runs = await openRuns({ object: { kind: 'Deployment', name: 'fields' }, fields: [image] });
    await createDeployment(hub, 'fields');
    const path = `${deployments}/fields`;
    assert.deepEqual(await runs.run('e1'), { [image]: 'example.invalid/app:1' });
    await apply(hub, { method: 'PATCH', path, body: { spec: { replicas: 7 } }, contentType });
    assert.equal(await runs.run('e2'), 'Unchanged');
    await apply(hub, { method: 'DELETE', path });
    assert.match(String(await runs.run('e3')), /^Deployment default\/fields, which onChange names, does not exist/);
    await createDeployment(hub, 'fields');
    assert.deepEqual(await runs.run('e4'), { [image]: 'example.invalid/app:1' });
  });

  it('of a component: by its objects in all clusters that the connection allows', async () => {
    await using denied = await openRuns({ component: 'web' });
    assert.match(String(await denied.run('e1')), /allows the clusters \(none\), not edge/);
    await using runs = await openRuns({ component: 'web' }, { clusters: ['edge'] });
    const first = (await runs.run('e1')) as JsonObject;
    assert.deepEqual(Object.keys(first).sort(), [
      'ConfigMap default/settings',
      'Deployment default/web',
      'Deployment default/web in cluster edge',
    ]);
    await apply(hub, { method: 'PATCH', path: `${configMaps}/handed-on`, body: { data: { b: 'c' } }, contentType });
    assert.equal(await runs.run('e2'), 'Unchanged');
    await apply(edge, { method: 'PATCH', path: `${deployments}/web`, body: { spec: { replicas: 3 } }, contentType });
    assert.equal(((await runs.run('e3')) as JsonObject)['Deployment default/web in cluster edge'], 2);
    await apply(hub, { method: 'PATCH', path: `${configMaps}/settings`, body: { data: { a: 'c' } }, contentType });
    assert.notEqual(await runs.run('e4'), 'Unchanged');
    assert.equal(await runs.run('e5'), 'Unchanged');
  });
});
