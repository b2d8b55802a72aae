import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';

import { accountToken } from '../providers/kubernetes/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { type ClusterGateway, startClusterGateway } from '../support/kubernetes/cluster-gateway.ts';
import { Cluster } from '../support/kubevela/cluster.ts';
import type { Application, KubernetesObject, WorkflowRun, WorkflowStep } from '../support/kubevela/objects.ts';
import { ManualClock } from '../support/manual-clock.ts';
import type { Configure } from '../workflows/executor.ts';
import { phasesOf, readExample, stepOf, WorkflowStage } from '../workflows/stage.ts';
import { enableAddon, executorToken, prepareForAddon, type Role } from './enabled-addon.ts';
import { grantsOf, permissionOf, wordsOf } from './permission.ts';
import { image, objectOf } from './rendered-addon.ts';

interface RoleBinding extends KubernetesObject {
  readonly roleRef: { readonly name: string };
}

interface StepExecution {
  readonly status?: { readonly state: string };
}

const executions = '/apis/aftersync.dev/v1alpha1/namespaces/default/stepexecutions';

let folder: string;
let gateway: ClusterGateway;
let stage: WorkflowStage;
let objects: readonly KubernetesObject[];

/** The addon's own configuration, for this machine: through the gateway, as the account of the addon, with its roles. */
const asTheAddonDoes: Configure = async (port, { kubernetes, gitHubUrl, cacheUrl }) => {
  const cluster = new Cluster(kubernetes);
  await prepareForAddon(cluster);
  gateway = await startClusterGateway(kubernetes, { edge: kubernetes });
  const kubeconfigFile = join(folder, 'kubeconfig');
  const config = {
    log: { level: 'warn' },
    store: { leaseDuration: '5s' },
    connections: [
      { name: 'cluster', kubeconfigFile },
      {
        name: 'github',
        type: 'github',
        baseUrl: gitHubUrl,
        auth: { tokenFile: './github-token' },
        allow: { namespaces: ['*'] },
        pollInterval: '100ms',
      },
      { name: 'edge', type: 'varnish', default: true, endpoints: [cacheUrl], allow: { namespaces: ['*'] } },
    ],
    network: { allow: ['127.0.0.1/32'] },
  };
  const args = { image, config: stringify(config), readClusters: ['edge'], impersonate: true };
  objects = await enableAddon(cluster, args);
  for (const object of ofTeam(cacheUrl)) await cluster.apply(object);
  await writeFile(kubeconfigFile, gateway.kubeconfig(await executorToken(kubernetes)));
  const { data } = objectOf<{ readonly data: Readonly<Record<string, string>> }>(objects, 'ConfigMap');
  return stringify({ ...parse(data['aftersync.yaml'] ?? ''), server: { address: `127.0.0.1:${port}` } });
};

/** A connection of the namespace default, and what lets the executor see it. */
function ofTeam(cacheUrl: string): readonly KubernetesObject[] {
  const namespace = 'default';
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'aftersync-connection', namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'aftersync-connection' },
    subjects: [{ kind: 'ServiceAccount', name: 'aftersync', namespace: 'vela-system' }],
  };
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'own', namespace, labels: { 'config.oam.dev/type': 'aftersync-varnish' } },
    stringData: { 'connection.yaml': stringify({ type: 'varnish', endpoints: [cacheUrl] }) },
  };
  return [binding, secret];
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-roles-'));
  // Its clock stands still, so that a workflow that waits goes on only because it is woken.
  stage = await WorkflowStage.set({ configure: asTheAddonDoes, clock: new ManualClock() });
});
after(async () => {
  await stage?.close();
  await gateway?.close();
  await rm(folder, { recursive: true });
  assert.deepEqual(stage.engine.errors, []);
});

/** With a component of its name, whose Deployment its step reads. */
function reading(name: string, properties: object, annotations: Readonly<Record<string, string>> = {}): Application {
  const steps: readonly WorkflowStep[] = [
    { name: 'apply', type: 'apply-component', properties: { component: name } },
    {
      name: 'read',
      type: 'aftersync-read-object',
      properties: { kind: 'Deployment', name, waitFor: 'rolledOut', ...properties },
    },
  ] as readonly WorkflowStep[];
  return {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name, namespace: 'default', annotations },
    spec: {
      components: [{ name, type: 'webservice', properties: { image: 'nginx:1.29-alpine' } }],
      workflow: { steps },
    },
  };
}

const allRead = { apply: 'succeeded', read: 'succeeded' };

describe('with the roles of the addon, and as its account,', () => {
  test('an Application goes the whole way, and is woken', async () => {
    stage.controller.hold('checkout');
    const checkout = await stage.apply(readExample<Application>('04-deploy-test-purge'));
    await checkout.until((object) => stepOf(object, 'rolled-out').phase === 'running', 'rolled-out');
    await stage.controller.release('checkout');
    assert.deepEqual(new Set(Object.values(phasesOf(await checkout.ended()))), new Set(['succeeded']));
  });

  test('a step runs because its component has changed', async () => {
    const landing = await stage.apply(readExample<Application>('03-purge-on-change'));
    assert.equal(stepOf(await landing.ended(), 'purge').phase, 'succeeded');
  });

  test('a WorkflowRun by reference goes the whole way, and is woken', async () => {
    stage.controller.hold('slow');
    const slow = await stage.apply(reading('slow', { waitFor: 'exists' }));
    assert.deepEqual(phasesOf(await slow.ended()), allRead);
    const steps = [
      {
        name: 'read',
        type: 'aftersync-read-object',
        properties: { kind: 'Deployment', name: 'slow', waitFor: 'rolledOut' },
      },
    ];
    const apiVersion = 'core.oam.dev/v1alpha1';
    await stage.cluster.create({
      apiVersion,
      kind: 'Workflow',
      metadata: { name: 'nightly', namespace: 'default' },
      steps,
    } as KubernetesObject);
    const run = await stage.apply<WorkflowRun>({
      apiVersion,
      kind: 'WorkflowRun',
      metadata: { name: 'nightly', namespace: 'default' },
      spec: { workflowRef: 'nightly' },
    });
    await run.until((object) => stepOf(object, 'read').phase === 'running', 'read');
    await stage.controller.release('slow');
    assert.deepEqual(phasesOf(await run.ended()), { read: 'succeeded' });
  });

  test('an object of a managed cluster is read', async () => {
    const remote = await stage.apply(reading('remote', { cluster: 'edge' }));
    assert.deepEqual(phasesOf(await remote.ended()), allRead);
  });

  test('an object is read as the account that the Application names', async () => {
    const onDeployments = { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] };
    await accountToken(stage.kubernetes, 'deployer', [onDeployments]);
    const guarded = await stage.apply(reading('guarded', {}, { 'app.oam.dev/service-account-name': 'deployer' }));
    assert.deepEqual(phasesOf(await guarded.ended()), allRead);
  });

  test('a step uses a connection of its namespace', async () => {
    const steps = [{ name: 'purge', type: 'purge-cdn', properties: { connection: 'own', tags: ['shop'] } }];
    const apiVersion = 'core.oam.dev/v1alpha1';
    const run = await stage.apply<WorkflowRun>({
      apiVersion,
      kind: 'WorkflowRun',
      metadata: { name: 'purge', namespace: 'default' },
      spec: { workflowSpec: { steps } },
    });
    assert.deepEqual(phasesOf(await run.ended()), { purge: 'succeeded' });
  });

  test('a caller with a token is known, and asks for what is there and what is not', async () => {
    const authorization = `Bearer ${stage.kubernetes.adminToken}`;
    const ask = (path: string) => fetch(stage.executor.url + path, { headers: { authorization } });
    assert.equal((await ask('/v1/executions?namespace=default')).status, 200);
    assert.equal((await ask('/v1/executions/no-such?namespace=default')).status, 404);
  });

  test('the record of what ran for a deleted Application is deleted', async () => {
    stage.controller.hold('doomed');
    const doomed = await stage.apply(reading('doomed', {}));
    const waiting = await doomed.until((object) => stepOf(object, 'read').phase === 'running', 'read');
    const path = `${executions}/${stepOf(waiting, 'read').id}`;
    const record = () => stage.kubernetes.request({ method: 'GET', path });
    // What is deleted before it was proven is forgotten only half a minute later.
    await eventually(record, ({ body }) => (body as StepExecution).status?.state === 'running');
    await stage.cluster.delete(doomed.name);
    await eventually(record, ({ status }) => status === 404);
  });

  test('the next process takes over from one that is killed', async () => {
    stage.controller.hold('late');
    const late = await stage.apply(reading('late', {}));
    await late.until((object) => stepOf(object, 'read').phase === 'running', 'read');
    await stage.executor.kill();
    await stage.executor.start();
    await stage.controller.release('late');
    assert.deepEqual(phasesOf(await late.ended()), allRead);
  });
});

describe('in all of that', () => {
  const made = () => gateway.calls.map(permissionOf).filter((permission) => permission !== undefined);
  const granted = (kind: string, name = 'aftersync') => grantsOf(objectOf<Role>(objects, kind, name));
  const ofAddon = () => [
    ...granted('ClusterRole'),
    ...granted('Role'),
    ...granted('ClusterRole', 'aftersync-connection'),
  ];

  test('nothing was refused', () => {
    const refused = gateway.calls.filter(({ status }) => status === 401 || status === 403);
    assert.deepEqual(refused, []);
  });

  test('everything that is no discovery was granted by a role of the addon', async () => {
    const reader = await stage.cluster.get<Role>({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      name: 'aftersync-reader',
    });
    const grants = new Set([...ofAddon(), ...grantsOf(reader ?? assert.fail())]);
    const others = gateway.calls.filter((call) => permissionOf(call) === undefined).map(({ url }) => url);
    assert.deepEqual(
      others.filter((url) => !/^\/apis?(\/[^/?]+){0,2}(\?|$)/.test(url)),
      [],
    );
    assert.deepEqual(
      [...new Set(made().map(wordsOf))].filter((words) => !grants.has(words)),
      [],
    );
  });

  test('every rule was used: none grants what nothing needs', () => {
    const used = new Set(made().map(wordsOf));
    const unused = ofAddon().filter((grant) => !used.has(grant));
    assert.deepEqual(unused, []);
  });

  const placesOf = (which: string) => {
    const places = made().filter(({ resource }) => resource === which);
    return [...new Set(places.map(({ namespace }) => namespace))];
  };

  test('Leases were touched in their own namespace only', () => {
    assert.deepEqual(placesOf('leases'), ['aftersync-replicas']);
  });

  test('Secrets were listed only where steps ran, in a namespace that lets the executor; nothing is bound by the addon', () => {
    assert.deepEqual(placesOf('secrets'), ['default']);
    const bindings = objects.filter(({ kind }) => kind.endsWith('Binding'));
    assert.ok(bindings.every((binding) => (binding as RoleBinding).roleRef.name !== 'aftersync-connection'));
  });
});
