import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { isJsonObject, type JsonObject } from '../../src/core/json.ts';
import { kubernetesCallers } from '../../src/http/kubernetes-callers.ts';
import { kubernetesAccessReviews } from '../../src/providers/kubernetes/access-reviews.ts';
import { RealServer } from '../e2e/real-server.ts';
import { accountToken, apply, kubeconfigOf } from '../providers/kubernetes/cluster-objects.ts';
import { openClient } from '../providers/kubernetes/open-client.ts';
import { eventually } from '../support/eventually.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { codeOf, type ServedApi, serveApi } from './served-api.ts';

const bindings = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings';
const body = { step: 'toy', with: {} };

let cluster: Kubernetes;
/** Of the account that the server reviews with. */
let reviewer: string;
/** By the name of the account. */
const tokens = new Map<string, string>();

before(async () => {
  cluster = await startKubernetes();
  for (const name of ['shop', 'bank']) {
    await apply(cluster, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
  }
  reviewer = await accountToken(cluster, 'aftersync', []);
  await bindToAll('aftersync', 'default', 'system:auth-delegator');
  await addAccount('ci', ['create', 'get', 'list', 'watch', 'update']);
  await addAccount('reader', ['get', 'list', 'watch']);
  await addAccount('getter', ['get']);
  await addAccount('nobody', []);
  await addAccount('ops', []);
  await apply(cluster, {
    method: 'POST',
    path: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
    body: { metadata: { name: 'overview' }, rules: [ruleOf(['list', 'watch'])] },
  });
  await bindToAll('ops', 'shop', 'overview');
  await untilAllowed(...reviewing);
  await untilAllowed('shop:ops', executions, 'watch');
});
after(() => cluster.close());

const executions = { group: 'aftersync.dev', resource: 'stepexecutions' };
const reviewing = [
  'default:aftersync',
  { group: 'authorization.k8s.io', resource: 'subjectaccessreviews' },
  'create',
] as const;

function ruleOf(verbs: readonly string[]): JsonObject {
  return { apiGroups: ['aftersync.dev'], resources: ['stepexecutions'], verbs };
}

/** An account in the namespace shop, with these verbs there. */
async function addAccount(name: string, verbs: readonly string[]): Promise<void> {
  const rules = verbs.length === 0 ? [] : [ruleOf(verbs)];
  tokens.set(name, await accountToken(cluster, name, rules, 'shop'));
  if (verbs[0] !== undefined) await untilAllowed(`shop:${name}`, { ...executions, namespace: 'shop' }, verbs[0]);
}

async function bindToAll(account: string, namespace: string, role: string): Promise<void> {
  await apply(cluster, {
    method: 'POST',
    path: bindings,
    body: {
      metadata: { name: `${role}-for-${account}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    },
  });
}

/** The API server learns of roles by a watch of its own, a moment after they were written. */
async function untilAllowed(account: string, resource: JsonObject, verb: string): Promise<void> {
  const spec = { user: `system:serviceaccount:${account}`, resourceAttributes: { ...resource, verb } };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  await eventually(
    () => apply(cluster, { method: 'POST', path, body: { spec } }),
    ({ status }) => isJsonObject(status) && status.allowed === true,
  );
}

/** A server that takes the cluster's tokens, on the clock that the test moves. */
async function serve(t: TestContext, { token = reviewer, requestTimeout = '30s' } = {}): Promise<ServedApi> {
  const client = openClient(await kubeconfigOf(cluster, { token }), { requestTimeout });
  const reviews = kubernetesAccessReviews(client.api);
  const api = await serveApi(({ clock }) => ({ authenticate: kubernetesCallers({ reviews, clock }) }));
  t.after(async () => {
    await api.close();
    await client.close();
  });
  return api;
}

/** `as`: the name of an account, or a token. */
function call(api: ServedApi, as: string, method: string, path: string) {
  const headers = { authorization: `Bearer ${tokens.get(as) ?? as}` };
  return api.call(method, path, { headers, ...(method === 'PUT' && { body }) });
}

test('an account may do in a namespace what its role there says, and nothing in another one', async (t) => {
  const api = await serve(t);
  const calls = [
    ['PUT', '/v1/executions/one', 201],
    ['GET', '/v1/executions/one', 200],
    ['GET', '/v1/executions', 200],
    ['HEAD', '/v1/executions/one/events', 200],
    ['HEAD', '/v1/events', 200],
    ['POST', '/v1/executions/one:cancel', 202],
  ] as const;
  const statuses = async (as: string, namespace: string) => {
    const all: number[] = [];
    for (const [method, path] of calls) {
      all.push((await call(api, as, method, `${path}?namespace=${namespace}`)).status);
    }
    return all;
  };
  assert.deepEqual(
    await statuses('ci', 'shop'),
    calls.map(([, , status]) => status),
  );
  assert.deepEqual(await statuses('ci', 'bank'), Array(6).fill(403));
  assert.deepEqual(await statuses('reader', 'shop'), [403, 200, 200, 200, 200, 403]);
  assert.deepEqual(await statuses('getter', 'shop'), [403, 200, 403, 403, 403, 403]);
  assert.deepEqual(await statuses('nobody', 'shop'), Array(6).fill(403));

  const refused = await call(api, 'ci', 'PUT', '/v1/executions/one?namespace=bank');
  assert.match(
    String(refused.json.detail),
    /^kubernetes:system:serviceaccount:shop:ci may not create .* in namespace bank; it takes that verb on stepexecutions\.aftersync\.dev$/,
  );
});

test('all namespaces are listed and followed by those alone who have the right in all', async (t) => {
  const api = await serve(t);
  await call(api, 'ci', 'PUT', '/v1/executions/one?namespace=shop');
  const listed = await call(api, 'ops', 'GET', '/v1/executions?namespace=*');
  assert.deepEqual(
    (listed.json.items as JsonObject[]).map(({ id }) => id),
    ['one'],
  );
  assert.equal((await call(api, 'ops', 'HEAD', '/v1/events?namespace=*')).status, 200);
  assert.equal((await call(api, 'ops', 'GET', '/v1/executions/one?namespace=shop')).status, 403);
  for (const path of ['/v1/executions', '/v1/events']) {
    const refused = await call(api, 'ci', 'GET', `${path}?namespace=*`);
    assert.equal(codeOf(refused), 'forbidden');
    assert.match(String(refused.json.detail), /in all namespaces/);
  }
});

test('what is no token of the cluster is nobody’s', async (t) => {
  const api = await serve(t);
  const [head, payload, signature] = String(tokens.get('ci')).split('.');
  const forOthers = await apply(cluster, {
    method: 'POST',
    path: '/api/v1/namespaces/shop/serviceaccounts/ci/token',
    body: { spec: { audiences: ['vault'] } },
  });
  assert.ok(isJsonObject(forOthers.status));
  for (const token of [
    'junk',
    `${head}.${payload}.${signature?.split('').reverse().join('')}`,
    `${head}.${payload}.`,
    '..',
    '"};{"',
    'x'.repeat(12_000),
    String(forOthers.status.token),
  ]) {
    const answer = await call(api, token, 'GET', '/v1/executions?namespace=shop');
    assert.deepEqual([answer.status, codeOf(answer)], [401, 'unauthenticated'], token.slice(0, 40));
  }
});

test('a token whose account is deleted is taken for 60 s at most, and a restart of the API server ends nothing', async (t) => {
  const api = await serve(t);
  await addAccount('leaver', ['get', 'list']);
  const list = (as: string) => call(api, as, 'GET', '/v1/executions?namespace=shop');
  assert.deepEqual([(await list('leaver')).status, (await list('reader')).status], [200, 200]);
  await apply(cluster, { method: 'DELETE', path: '/api/v1/namespaces/shop/serviceaccounts/leaver' });

  await cluster.stopApiServer();
  assert.deepEqual([(await list('leaver')).status, (await list('reader')).status], [200, 200]);
  const other = await call(api, 'reader', 'GET', '/v1/executions/one?namespace=shop');
  assert.deepEqual([other.status, codeOf(other), other.headers['retry-after']], [503, 'unavailable', '5']);
  const stranger = await list('ci');
  assert.deepEqual([stranger.status, codeOf(stranger)], [503, 'unavailable']);
  assert.match(api.logLines.join(''), /the cluster cannot be reached/);

  // It forgets, too, whose tokens it has seen in the last 10 s.
  await cluster.startApiServer();
  await untilAllowed(...reviewing);
  await untilAllowed('shop:reader', { ...executions, namespace: 'shop' }, 'list');
  api.clock.advance(59_999);
  assert.equal((await list('leaver')).status, 200);
  api.clock.advance(1);
  assert.equal((await list('leaver')).status, 401);
  assert.deepEqual([(await list('reader')).status, (await list('ci')).status], [200, 200]);
  for (const token of [...tokens.values(), reviewer]) assert.ok(!api.logLines.join('').includes(token));
});

test('an API server that hangs is answered for in time', async (t) => {
  const api = await serve(t, { requestTimeout: '1s' });
  cluster.pauseApiServer();
  try {
    const answer = await call(api, 'ci', 'GET', '/v1/executions?namespace=shop');
    assert.deepEqual([answer.status, codeOf(answer)], [503, 'unavailable']);
  } finally {
    cluster.resumeApiServer();
  }
});

test('a server whose account may not review answers 503, and its log says what to grant', async (t) => {
  const api = await serve(t, { token: tokens.get('nobody') });
  const answer = await call(api, 'ci', 'GET', '/v1/executions?namespace=shop');
  assert.deepEqual([answer.status, codeOf(answer)], [503, 'unavailable']);
  assert.doesNotMatch(answer.text, /nobody|tokenreviews/);
  const logged = api.logLines.join('');
  assert.match(logged, /grant its account create on tokenreviews\.authentication\.k8s\.io/);
  assert.match(logged, /system:serviceaccount:shop:nobody/);
  assert.ok(!logged.includes(String(tokens.get('ci'))));
});

test('a server takes the tokens of its file and those of its cluster, be it a connection or the default kubeconfig', async (t) => {
  const kubeconfig = await kubeconfigOf(cluster, { token: reviewer });
  const settings = `
server: { address: "127.0.0.1:0" }
store: { path: ":memory:" }
auth: { kubernetes: true, tokensFile: ./tokens }
log: { level: debug }
`;
  const connections = 'connections: [{ name: cluster, type: kubernetes, kubeconfigFile: ./kubeconfig }]\n';
  const { KUBECONFIG: before } = process.env;
  t.after(() => {
    if (before === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = before;
  });
  for (const configured of [settings, settings + connections]) {
    const files = { 'aftersync.yaml': configured, tokens: 'desk s3cret-desk shop\n', kubeconfig };
    const server = await RealServer.inFolder(t, files);
    process.env.KUBECONFIG = configured === settings ? `${server.folder}/kubeconfig` : '/nowhere';
    await server.start();
    const list = async (namespace: string, token?: string) => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await server.call('GET', `/v1/executions?namespace=${namespace}`, { headers })).status;
    };
    const ci = String(tokens.get('ci'));
    const statuses = [
      await list('shop', 's3cret-desk'),
      await list('bank', 's3cret-desk'),
      await list('shop', ci),
      await list('bank', ci),
      await list('shop', 'junk'),
      await list('shop'),
    ];
    assert.deepEqual(statuses, [200, 403, 200, 403, 401, 401], server.written);
    assert.equal(await server.stop('SIGTERM'), 0);
    assert.match(server.written, /"caller":"desk"/);
    assert.match(server.written, /"caller":"kubernetes:system:serviceaccount:shop:ci"/);
    for (const token of ['s3cret-desk', ci, reviewer]) assert.ok(!server.written.includes(token));
  }
});
