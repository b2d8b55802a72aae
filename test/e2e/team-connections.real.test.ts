import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { connectionTypes, createLog, type Server, serve } from '../../src/main.ts';
import { steps } from '../../src/steps/index.ts';
import { addonObjects } from '../addon/enabled-addon.ts';
import { configTemplates, image, objectOf, renderConfig } from '../addon/rendered-addon.ts';
import { accountToken, apply, kubeconfigOf } from '../providers/kubernetes/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import type { Listening } from '../support/listen.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startVarnishStandIn } from '../support/varnish-stand-in.ts';

const canary = 'cAnArY7';
const knownToken = `ghp_${canary}Known`;
const account = { kind: 'ServiceAccount', name: 'aftersync', namespace: 'vela-system' };
const bindings = '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings';
const clock = new ManualClock();
/** All that the server said, by log and by answers. */
let said = '';

let cluster: Kubernetes;
let gitHub: GitHubStandIn;
let varnish: Listening;
let server: Server;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-teams-'));
  [cluster, varnish, gitHub] = await Promise.all([
    startKubernetes(),
    // Nothing is ever fetched through it.
    startVarnishStandIn({ originPort: 9 }),
    startGitHubStandIn({
      clock,
      tokens: [{ token: knownToken, login: 'shop' }],
      repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }],
    }),
  ]);
  for (const name of ['vela-system', 'shop', 'blog']) {
    await apply(cluster, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
  }
  const token = await accountToken(cluster, account.name, [], account.namespace);
  await writeFile(join(folder, 'kubeconfig'), await kubeconfigOf(cluster, { token }));
  await writeFile(join(folder, 'operators-token'), `${canary}Operator`);
  const path = join(folder, 'aftersync.yaml');
  await writeFile(
    path,
    `server: { address: "127.0.0.1:0" }
store: { path: ":memory:" }
log: { level: trace }
network: { allow: [127.0.0.1/32] }
teamConnections: true
connections:
  - { name: cluster, type: kubernetes, kubeconfigFile: kubeconfig }
  - { name: platform, type: github, auth: { tokenFile: operators-token }, allow: { namespaces: ["*"] } }
`,
  );
  const config = await loadConfig({ path, cwd: folder, env: {}, connectionTypes, steps });
  const log = createLog(
    config,
    new Writable({
      write(line, _, done) {
        said += line;
        done();
      },
    }),
  );
  server = await serve(config, { clock, log });
  const role = objectOf<JsonObject>(await addonObjects({ image }), 'ClusterRole', 'aftersync-connection');
  const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
  await apply(cluster, { method: 'POST', path: roles, body: role });
});
after(async () => {
  await server?.close();
  await Promise.all([gitHub?.close(), varnish?.close(), cluster?.close()]);
  await rm(folder, { recursive: true });
});

/** What `vela config create NAME -n NAMESPACE --template TEMPLATE` puts there (pkg/config/factory.go). */
async function createConfig(namespace: string, name: string, template: string, properties: JsonObject): Promise<void> {
  const { source } = configTemplates.find((each) => each.name === template) ?? assert.fail(template);
  const { secret } = await renderConfig({ version: '0.14.1', source, properties });
  const labels = {
    'config.oam.dev/catalog': 'velacore-config',
    'config.oam.dev/type': template,
    'config.oam.dev/scope': 'system',
  };
  const data = { 'input-properties': Buffer.from(JSON.stringify(properties)).toString('base64') };
  const body = { ...secret, data, metadata: { name, namespace, labels } };
  await apply(cluster, { method: 'POST', path: `/api/v1/namespaces/${namespace}/secrets`, body });
}

/** Its right is in effect when the API server has learned of the binding, a moment after it was written. */
async function untilMayList(isAllowed: boolean): Promise<void> {
  const user = `system:serviceaccount:${account.namespace}:${account.name}`;
  const spec = { user, resourceAttributes: { namespace: 'shop', verb: 'list', resource: 'secrets' } };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  await eventually(
    () => apply(cluster, { method: 'POST', path, body: { spec } }),
    ({ status }) => (status as JsonObject).allowed === isAllowed,
  );
  // What was read before counts no longer.
  clock.advance(30_000);
}

let runs = 0;

async function run(namespace: string, step: string, parameters: JsonObject): Promise<JsonObject> {
  const at = `${server.url}/v1/executions/run-${++runs}`;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ step, with: parameters });
  await fetch(`${at}?namespace=${namespace}`, { method: 'PUT', headers, body });
  return await answerOf(`${at}?namespace=${namespace}&wait=10s`);
}

async function answerOf(url: string, init: RequestInit = {}): Promise<JsonObject> {
  const text = await (await fetch(url, init)).text();
  said += text;
  return JSON.parse(text) as JsonObject;
}

const dispatch = (connection: string): JsonObject => ({
  connection,
  repository: 'acme/shop',
  workflow: 'smoke.yml',
  ref: 'main',
  waitFor: 'dispatched',
});

function failed({ state, reason, message }: JsonObject, expected: RegExp): void {
  assert.deepEqual([state, reason], ['failed', 'ConnectionFailed']);
  assert.match(String(message), expected);
}

test('without a RoleBinding a config is no connection, and the message says what a team can do', async () => {
  const connection = { baseUrl: gitHub.url, allow: { namespaces: ['*'], repositories: ['acme/*'] } };
  await createConfig('shop', 'github', 'aftersync-github', { token: `ghp_${canary}Unknown`, connection });
  failed(
    await run('shop', 'trigger-github-action', dispatch('github')),
    /^there is no github connection named github; there are: platform; namespace shop may bring its own: a config of the template aftersync-github or aftersync-github-app/,
  );
});

test('with one it is: of its namespace, with its own credential', async () => {
  const text = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8');
  const [, documented = ''] = /```yaml\n(apiVersion: [^`]*\nkind: RoleBinding\n[^`]*)```/.exec(text) ?? [];
  const body = parse(documented) as JsonObject;
  await apply(cluster, { method: 'POST', path: bindings, body });
  await untilMayList(true);
  failed(await run('shop', 'trigger-github-action', dispatch('github')), /Secret shop\/github, key token.*401/);
  failed(await run('blog', 'trigger-github-action', dispatch('github')), /no github connection named github/);
  assert.equal(gitHub.dispatches(), 0);
});

test('a rotated token is in use within 30 s, and nothing restarts', async () => {
  const data = { token: Buffer.from(knownToken).toString('base64') };
  await apply(cluster, {
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/secrets/github',
    contentType: 'application/merge-patch+json',
    body: { data },
  });
  clock.advance(30_000);
  const { state, message } = await run('shop', 'trigger-github-action', dispatch('github'));
  assert.equal(state, 'succeeded', String(message));
  assert.equal(gitHub.dispatches(), 1);
});

test('it is for what it allows', async () => {
  const other = await run('shop', 'trigger-github-action', { ...dispatch('github'), repository: 'other/shop' });
  assert.equal(other.reason, 'Denied');
  assert.match(
    String(other.message),
    /Secret shop\/github, key connection.yaml:\d+\) allows the repositories acme\/\*, not/,
  );
});

test('the only one of its family needs no name, in a plan too', async () => {
  await createConfig('shop', 'edge', 'aftersync-varnish', { endpoints: [varnish.url], connection: {} });
  clock.advance(30_000);
  const purge = { urls: ['http://www.example.com/a'] };
  assert.equal((await run('shop', 'purge-cdn', purge)).state, 'succeeded');
  const plan = async (namespace: string) => {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify({ with: purge }) };
    return await answerOf(`${server.url}/v1/steps/purge-cdn:plan?namespace=${namespace}`, init);
  };
  assert.deepEqual((await plan('shop')).calls, [
    { description: 'purge urls', method: 'PURGE', url: 'each node in Secret shop/edge, key endpoints', count: 1 },
  ]);
  assert.equal((await plan('blog')).code, 'unknown-connection');
});

test('its addresses are public, or allowed by the operator', async () => {
  const endpoints = [varnish.url.replace('127.0.0.1', '127.0.0.2')];
  await createConfig('shop', 'private', 'aftersync-nginx', { endpoints, connection: {} });
  await createConfig('shop', 'metadata', 'aftersync-github', {
    token: knownToken,
    connection: { baseUrl: 'http://169.254.169.254/latest' },
  });
  clock.advance(30_000);
  const urls = ['http://www.example.com/a'];
  failed(
    await run('shop', 'purge-cdn', { connection: 'private', urls }),
    /127.0.0.2 is a private address.*network.allow/,
  );
  failed(await run('shop', 'trigger-github-action', dispatch('metadata')), /is a link-local or metadata address/);
});

test("no file of the executor's can be a credential of it", async () => {
  const connection = { baseUrl: gitHub.url };
  await createConfig('shop', 'escaping', 'aftersync-github', { token: knownToken, connection });
  const text = `type: github\nbaseUrl: ${gitHub.url}\nauth: { tokenFile: ${join(folder, 'operators-token')} }\n`;
  await apply(cluster, {
    method: 'PATCH',
    path: '/api/v1/namespaces/shop/secrets/escaping',
    contentType: 'application/merge-patch+json',
    body: { data: { 'connection.yaml': Buffer.from(text).toString('base64') } },
  });
  clock.advance(30_000);
  failed(
    await run('shop', 'trigger-github-action', dispatch('escaping')),
    /^connection escaping cannot be used: Secret shop\/escaping, key connection.yaml:3:20: auth.tokenFile: expected the name of a key/,
  );
});

test('a name that the configuration has too means neither', async () => {
  await createConfig('shop', 'platform', 'aftersync-github', { token: knownToken, connection: {} });
  clock.advance(30_000);
  failed(
    await run('shop', 'trigger-github-action', dispatch('platform')),
    /^connection platform is there twice: .*aftersync.yaml:8 and Secret shop\/platform, key connection.yaml:1; rename one/,
  );
});

test('it ends with the RoleBinding', async () => {
  await cluster.request({ method: 'DELETE', path: `${bindings}/aftersync-connection` });
  await untilMayList(false);
  failed(await run('shop', 'trigger-github-action', dispatch('github')), /no github connection named github/);
  assert.equal(gitHub.dispatches(), 1);
});

test('no credential of all this was said by log, answers or metrics, and no right that lacks was logged as an error', async () => {
  said += await (await fetch(`${server.url}/metrics`)).text();
  assert.match(said, /"level":20/, 'the log is as talkative as it can be');
  const at = said.indexOf(canary);
  assert.equal(at, -1, `…${said.slice(Math.max(0, at - 300), at + 60)}…`);
  assert.doesNotMatch(said, /"level":[56]0/);
});
