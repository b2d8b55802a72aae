import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { eventually } from '../support/eventually.ts';
import { type Kubernetes, type KubernetesRequest, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../support/kubevela/cluster.ts';
import { installKubeVela } from '../support/kubevela/crds.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { addonObjects, enableAddon, executorToken, prepareForAddon } from './enabled-addon.ts';
import { image } from './rendered-addon.ts';

const account = 'system:serviceaccount:vela-system:aftersync';
const rbac = 'rbac.authorization.k8s.io/v1';

/** As `kubectl auth can-i` is asked: `VERB RESOURCE[/SUBRESOURCE][.GROUP] [NAME] [in NAMESPACE]`. */
const always = [
  'list applications.core.oam.dev',
  'get applicationrevisions.core.oam.dev in shop',
  'watch workflowruns.core.oam.dev',
  'get workflows.core.oam.dev in shop',
  'patch applications/status.core.oam.dev in shop',
  'patch workflowruns/status.core.oam.dev in shop',
  'create events in shop',
  'create tokenreviews.authentication.k8s.io',
  'create subjectaccessreviews.authorization.k8s.io',
  'create leases.coordination.k8s.io in aftersync-replicas',
  'delete leases.coordination.k8s.io in aftersync-replicas',
  'create stepexecutions.aftersync.dev in shop',
  'update stepexecutions/status.aftersync.dev in shop',
  'delete stepexecutions.aftersync.dev in shop',
  'watch stepexecutions.aftersync.dev',
  'watch deployments.apps',
  'get pods in shop',
  'watch certificates.cert-manager.io in shop',
];

const never = [
  'patch applications.core.oam.dev in shop',
  'update applications/status.core.oam.dev in shop',
  'create applications.core.oam.dev in shop',
  'delete applications.core.oam.dev in shop',
  'patch workflowruns.core.oam.dev in shop',
  'patch deployments.apps in shop',
  'create pods in shop',
  'create pods/exec in shop',
  'patch events in shop',
  'get secrets in shop',
  'list secrets',
  'list applicationrevisions.core.oam.dev',
  'list secrets in vela-system',
  'get secrets github in vela-system',
  'create serviceaccounts/token in vela-system',
  'create leases.coordination.k8s.io in shop',
  'create leases.coordination.k8s.io in vela-system',
  'update leases.coordination.k8s.io kubevela in vela-system',
  'delete leases.coordination.k8s.io kubevela in vela-system',
  'update stepexecutions.aftersync.dev in shop',
  'patch customresourcedefinitions.apiextensions.k8s.io',
  'get certificaterequests.cert-manager.io in shop',
  'get clustergateways/proxy.cluster.core.oam.dev other',
  'get clustergateways.cluster.core.oam.dev edge',
  'bind clusterroles.rbac.authorization.k8s.io',
  'escalate clusterroles.rbac.authorization.k8s.io',
  'impersonate users',
  'impersonate groups',
];

const byParameter: Readonly<Record<string, { readonly args: object; readonly ask: string }>> = {
  readClusters: { args: { readClusters: ['edge'] }, ask: 'get clustergateways/proxy.cluster.core.oam.dev edge' },
  impersonate: { args: { impersonate: true }, ask: 'impersonate serviceaccounts in shop' },
};

const variants: Readonly<Record<string, object>> = {
  'an image': { image },
  'a store of its own': { image, store: 'sqlite' },
  'an executor elsewhere, by IPv4': { externalExecutor: { address: '10.0.0.7', port: 80 } },
  'an executor elsewhere, by IPv6': { externalExecutor: { address: '2001:db8::7' } },
  everything: {
    image,
    imagePullSecrets: ['registry'],
    replicas: 3,
    resources: { limits: { cpu: '2' } },
    config: 'log: { level: debug }',
    connections: ['github', 'edge.cdn'],
    secrets: ['tokens'],
    allowFrom: ['ci', '*'],
    readClusters: ['edge'],
    impersonate: true,
    readObjectNamespaces: ['shop'],
  },
};

let kubernetes: Kubernetes;
let cluster: Cluster;
before(async () => {
  kubernetes = await startKubernetes();
  cluster = new Cluster(kubernetes);
  await installKubeVela(cluster);
  await prepareForAddon(cluster);
  for (const name of ['shop', 'aftersync-replicas']) {
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  await cluster.apply(roleOfATeam);
});
after(() => kubernetes?.close());

/** As docs/install.md says how a custom resource becomes readable. */
const roleOfATeam = {
  apiVersion: rbac,
  kind: 'ClusterRole',
  metadata: { name: 'aftersync-reads-certificates', labels: { 'aftersync.dev/aggregate-to-reader': 'true' } },
  rules: [{ apiGroups: ['cert-manager.io'], resources: ['certificates'], verbs: ['get', 'list', 'watch'] }],
};

async function request<T>(sent: KubernetesRequest): Promise<T> {
  const { status, body } = await kubernetes.request(sent);
  assert.ok(status < 300, `${sent.method} ${sent.path}: ${status} ${JSON.stringify(body)}`);
  return body as T;
}

async function may(ask: string): Promise<boolean> {
  const [, verb, what = '', name, namespace] = /^(\w+) (\S+)(?: (?!in )(\S+))?(?: in (\S+))?$/.exec(ask) ?? [];
  const [, resource, subresource, group = ''] = /^(\w+)(?:\/(\w+))?(?:\.(.+))?$/.exec(what) ?? [];
  assert.ok(verb && resource, ask);
  const resourceAttributes = { verb, group, resource, subresource, name, namespace };
  const { status } = await request<{ readonly status: { readonly allowed: boolean } }>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: account, groups: ['system:serviceaccounts', 'system:authenticated'], resourceAttributes },
    },
  });
  return status.allowed;
}

/** The authorizer hears of a role a moment after it was written. */
async function assertEach(asks: readonly string[], allowed: boolean): Promise<void> {
  for (const ask of asks) {
    await assert.doesNotReject(
      eventually(
        () => may(ask),
        (answer) => answer === allowed,
      ),
      `${allowed ? 'may not' : 'may'} ${ask}`,
    );
  }
}

for (const [what, args] of Object.entries(variants)) {
  test(`with ${what} the API server takes each object, and knows each of its fields`, async () => {
    for (const object of await addonObjects(args)) {
      const { apiVersion, kind, metadata } = object;
      const api = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
      const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
      const resource = `${kind.toLowerCase()}s`.replace(/ys$/, 'ies');
      await request({
        method: 'PATCH',
        path: `${api}${place}/${resource}/${metadata.name}?fieldManager=test&dryRun=All&fieldValidation=Strict`,
        body: object,
        contentType: 'application/apply-patch+yaml',
      });
    }
  });
}

describe('the service account', () => {
  before(() => enableAddon(cluster));

  test('may do what the executor does', () => assertEach(always, true));

  test('may do nothing else', () => assertEach([...never, ...Object.values(byParameter).map(({ ask }) => ask)], false));

  test('may do less where it keeps executions itself', async () => {
    const objects = await addonObjects({ image, store: 'sqlite' });
    const roles = objects.filter(({ kind }) => /Role$/.test(kind));
    assert.doesNotMatch(JSON.stringify(roles), /leases|stepexecutions/);
  });

  test('may only do more where a parameter says so', async () => {
    for (const { args, ask } of Object.values(byParameter)) {
      await enableAddon(cluster, args);
      await assertEach([ask], true);
      await assertEach(
        [...never, ...Object.values(byParameter).flatMap((other) => (other.ask === ask ? [] : other.ask))],
        false,
      );
    }
    await enableAddon(cluster);
  });

  test('wakes an Application by a condition, tells of it by an Event, and changes nothing else', async () => {
    const token = await executorToken(kubernetes);
    const asAccount = async (sent: KubernetesRequest) => (await kubernetes.request({ ...sent, token })).status;
    const path = '/apis/core.oam.dev/v1beta1/namespaces/shop/applications/web';
    await cluster.create({
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'Application',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { components: [] },
    } as KubernetesObject);
    const condition = {
      type: 'AfterSync',
      status: 'True',
      reason: 'Ended',
      message: 'smoke',
      lastTransitionTime: new Date(0).toISOString(),
    };
    const patch = (value: object) => ({
      method: 'PATCH' as const,
      contentType: 'application/json-patch+json',
      body: [value],
    });
    const wake = patch({ op: 'add', path: '/status', value: { conditions: [condition] } });
    assert.equal(await asAccount({ ...wake, path: `${path}/status` }), 200);
    const change = patch({ op: 'add', path: '/metadata/annotations', value: { touched: 'yes' } });
    assert.equal(await asAccount({ ...change, path }), 403);

    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'web.1', namespace: 'shop' },
      involvedObject: { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name: 'web', namespace: 'shop' },
      reason: 'Ended',
    };
    assert.equal(await asAccount({ method: 'POST', path: '/api/v1/namespaces/shop/events', body: event }), 201);
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const reviews = '/apis/authentication.k8s.io/v1/tokenreviews';
    assert.equal(await asAccount({ method: 'POST', path: reviews, body: review }), 201);
    assert.equal(await asAccount({ method: 'GET', path: '/api/v1/namespaces/vela-system/secrets/other' }), 403);
  });
});
