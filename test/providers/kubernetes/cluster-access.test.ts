import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startApiStandIn } from './api-stand-in.ts';
import { neverAborted, openClient } from './open-client.ts';

const place = {
  type: { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', isNamespaced: true, hasStatus: false },
  namespace: 'default',
  name: 'a',
};
const path = '/api/v1/namespaces/default/configmaps/a';
const object = { metadata: { name: 'a', uid: 'u', resourceVersion: '1', managedFields: [] } };

it('a token is shown to the cluster as the kubeconfig has it', async (t) => {
  const api = await startApiStandIn(t, () => ({ body: object }));
  const client = openClient(api.kubeconfig({ token: 'secret-1' }));
  assert.equal((await client.read(place, neverAborted))?.metadata.uid, 'u');
  assert.deepEqual(api.requests, [`${path} Bearer secret-1`]);
});

it('a user and password are shown as basic authentication', async (t) => {
  const api = await startApiStandIn(t, () => ({ body: object }));
  await openClient(api.kubeconfig({ username: 'me', password: 'secret' })).read(place, neverAborted);
  assert.deepEqual(api.requests, [`${path} Basic ${Buffer.from('me:secret').toString('base64')}`]);
});

it('the token of a plug-in is asked for once, and again when the cluster refuses it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-exec-'));
  t.after(() => rm(folder, { recursive: true }));
  const token = join(folder, 'token');
  await writeFile(token, 'old');
  const status = '{\\"status\\":{\\"token\\":\\"$(cat "$0")\\"}}';
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: 'sh',
    args: ['-c', `printf '%s' "${status}"`, token],
  };
  const api = await startApiStandIn(t, ({ headers }) =>
    headers.authorization === 'Bearer new' ? { body: object } : { status: 401, body: { message: 'Unauthorized' } },
  );
  const clock = new ManualClock();
  const client = openClient(api.kubeconfig({ exec }), {}, clock);
  const refused = (error: unknown) => error instanceof Rejected && /refuses the credential/.test(error.message);
  await assert.rejects(client.read(place, neverAborted), refused);
  await writeFile(token, 'new');
  // It was asked a moment ago, so that it is not asked again yet.
  await assert.rejects(client.read(place, neverAborted), refused);
  clock.advance(5_000);
  await client.read(place, neverAborted);
  await client.read(place, neverAborted);
  const tokens = api.requests.map((request) => request.split(' ').at(-1));
  assert.deepEqual(tokens, ['old', 'old', 'old', 'new', 'new']);
});

it('a token file is read, before a token beside it, and anew when the cluster refuses what was in it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-token-'));
  t.after(() => rm(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, 'old\n');
  const api = await startApiStandIn(t, ({ headers }) =>
    headers.authorization === 'Bearer new' ? { body: object } : { status: 401, body: { message: 'Unauthorized' } },
  );
  const clock = new ManualClock();
  const client = openClient(api.kubeconfig({ tokenFile, token: 'unused' }), {}, clock);
  await assert.rejects(client.read(place, neverAborted), Rejected);
  await writeFile(tokenFile, 'new\n');
  clock.advance(5_000);
  await client.read(place, neverAborted);
  assert.deepEqual(
    api.requests.map((request) => request.split(' ').at(-1)),
    ['old', 'old', 'new'],
  );
});

it('many that ask at once run a plug-in once, and one that hangs holds nobody up', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-exec-'));
  t.after(() => rm(folder, { recursive: true }));
  const runs = join(folder, 'runs');
  const status = '{\\"status\\":{\\"token\\":\\"t\\"}}';
  const plugIn = (script: string) => ({
    exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script, runs] },
  });
  const api = await startApiStandIn(t, () => ({ body: object }));
  const client = openClient(api.kubeconfig(plugIn(`echo run >> "$0"; printf '%s' "${status}"`)));
  await Promise.all(Array.from({ length: 20 }, () => client.read(place, neverAborted)));
  assert.equal(await readFile(runs, 'utf8'), 'run\n');

  // It ends by itself, so that it does not outlive the test by long.
  const hanging = openClient(api.kubeconfig(plugIn('sleep 2')), { requestTimeout: '50ms' });
  await assert.rejects(hanging.read(place, neverAborted), NotSent);
});

it('a kubeconfig that changes is in use with the next request', async (t) => {
  const api = await startApiStandIn(t, () => ({ body: object }));
  let token = 'first';
  const client = openClient(() => api.kubeconfig({ token }));
  await client.read(place, neverAborted);
  token = 'second';
  await client.read(place, neverAborted);
  assert.deepEqual(api.requests, [`${path} Bearer first`, `${path} Bearer second`]);
});

for (const { name, kubeconfig, options = {}, says } of [
  { name: 'is no kubeconfig', kubeconfig: '[', says: /the kubeconfig \/kubeconfig cannot be used/ },
  {
    name: 'lacks the context',
    kubeconfig: '{"clusters":[],"users":[],"contexts":[],"current-context":"x"}',
    options: { context: 'other' },
    says: /the kubeconfig \/kubeconfig has no context other/,
  },
  {
    name: 'names a cluster without TLS that it does not mark so',
    kubeconfig:
      '{"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"users":[{"name":"u","user":{}}],"contexts":[{"name":"x","context":{"cluster":"c","user":"u"}}],"current-context":"x"}',
    says: /HTTP protocol is not allowed/,
  },
]) {
  it(`a kubeconfig that ${name} is refused`, async () => {
    const client = openClient(kubeconfig, options);
    await assert.rejects(client.read(place, neverAborted), (error) => {
      assert.ok(error instanceof Rejected || error instanceof NotSent);
      assert.match(error.message, says);
      return true;
    });
  });
}

it('a cluster that nobody answers for is asked again later', async (t) => {
  const api = await startApiStandIn(t, () => ({ body: object }));
  const kubeconfig = api.kubeconfig().replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1');
  await assert.rejects(openClient(kubeconfig).read(place, neverAborted), (error) => {
    return error instanceof NotSent && /the cluster cannot be reached.*ECONNREFUSED/.test(error.message);
  });
});

it('what the cluster answers instead of the object decides whether asking again is any use', async (t) => {
  let answer: { status: number; body: { message: string } } = { status: 0, body: { message: 'words' } };
  const api = await startApiStandIn(t, () => answer);
  const client = openClient(api.kubeconfig());
  for (const [status, kind, says] of [
    [
      403,
      Rejected,
      /may not get configmaps a in namespace default: grant its account get, list and watch on configmaps/,
    ],
    [429, NotSent, /asks to come back later/],
    [500, Error, /no usable answer when asked to get configmaps a in namespace default \(500 words\)/],
  ] as const) {
    answer = { ...answer, status };
    await assert.rejects(client.read(place, neverAborted), (error) => {
      assert.ok(error instanceof kind);
      assert.match(error.message, says);
      return true;
    });
  }
});
