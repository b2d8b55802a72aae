import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { Rejected } from '../../../src/core/effect.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type StandInAnswer, startApiStandIn } from './api-stand-in.ts';
import { neverAborted, openClient } from './open-client.ts';

const root = '/apis/cluster.core.oam.dev/v1alpha1/clustergateways/edge/proxy';
const pod = { group: '', version: 'v1', kind: 'Pod', plural: 'pods', isNamespaced: true, hasStatus: true };
const place = { type: pod, namespace: 'shop', name: 'web', cluster: 'edge' };
const podPath = `${root}/api/v1/namespaces/shop/pods/web`;
const documents: Readonly<Record<string, StandInAnswer>> = {
  [`${root}/api`]: { body: { versions: ['v1'] } },
  [`${root}/apis`]: { body: { groups: [] } },
  [`${root}/api/v1`]: { body: { resources: [{ name: 'pods', kind: 'Pod', namespaced: true, verbs: ['get'] }] } },
  [podPath]: { body: { metadata: { name: 'web', uid: 'u1' } } },
};

/** A hub with one managed cluster, in which some documents differ. */
async function open(test: TestContext, changes: Record<string, StandInAnswer | undefined> = {}) {
  const clock = new ManualClock();
  const answers = { ...documents, ...changes };
  const missing = { status: 404, text: '404 page not found\n' };
  const api = await startApiStandIn(test, ({ url = '' }) => answers[url] ?? missing);
  const client = openClient(api.kubeconfig(), {}, clock);
  test.after(() => client.close());
  return { api, client, clock, answers };
}

const forbidden = (group: string, message: string) => ({ status: 403, body: { message, details: { group } } });

it('what a managed cluster serves and has is asked through the gateway of its hub, and of nobody else', async (t) => {
  const { api, client, clock } = await open(t);
  assert.deepEqual(await client.find({ kind: 'Pod' }, clock.now(), 'edge'), {
    type: { ...pod, hasStatus: false },
  });
  assert.equal((await client.read(place, neverAborted))?.metadata.uid, 'u1');
  assert.ok(api.requests.every((request) => request.startsWith(root)));
  assert.equal(client.signalOf(place), `kubernetes:test${podPath}`);
  assert.deepEqual(await client.find({ kind: 'Job' }, clock.now(), 'edge'), {
    missing: 'cluster edge knows no kind Job: is its CRD installed?',
    asOf: clock.now(),
    againAt: clock.now() + 5_000,
  });
});

for (const { name, answer, reason, words } of [
  {
    name: 'that the gateway is not there',
    answer: undefined,
    reason: 'ConnectionFailed',
    words:
      /^cluster-gateway is not there, .* cluster edge: .* does not serve cluster.core.oam.dev\/v1alpha1 \(404 404 page/,
  },
  {
    name: 'that the credential of one of the two is refused',
    answer: { status: 401, body: { message: 'Unauthorized' } },
    reason: 'ConnectionFailed',
    words: /^cluster edge refuses the credential that KubeVela has for it, or the hub ours \(401 Unauthorized\)/,
  },
  {
    name: 'what to grant in the hub',
    answer: forbidden('cluster.core.oam.dev', 'cannot get resource "clustergateways/proxy"'),
    reason: 'ConnectionFailed',
    words:
      /may not reach cluster edge: grant its account get on clustergateways.cluster.core.oam.dev\/proxy named edge \(readClusters/,
  },
  {
    name: 'that KubeVela has no such cluster, which may change',
    answer: { status: 500, body: { message: 'no such cluster edge' } },
    reason: undefined,
    words: /^KubeVela knows no cluster edge/,
  },
  {
    name: 'what else the gateway says, which may change',
    answer: { status: 503, body: { message: 'service unavailable' } },
    reason: undefined,
    words: /asked to read \/api \(503 service unavailable\)/,
  },
] as const) {
  it(`a refusal on the way to a managed cluster says ${name}`, async (t) => {
    const { client, clock } = await open(t, { [`${root}/api`]: answer });
    await assert.rejects(client.find({ kind: 'Pod' }, clock.now(), 'edge'), (error: Error) => {
      assert.match(error.message, words);
      assert.equal(error instanceof Rejected ? error.reason : undefined, reason);
      return true;
    });
  });
}

it('what the managed cluster refuses is to be granted there, to the account that KubeVela has there', async (t) => {
  const { client } = await open(t, { [podPath]: forbidden('', 'pods "web" is forbidden') });
  await assert.rejects(client.read(place, neverAborted), {
    reason: 'ConnectionFailed',
    message:
      'KubeVela\'s account in cluster edge may not get pods web in namespace shop: grant it get, list and watch on pods in namespace shop (403 pods "web" is forbidden)',
  });
});

it('an object is missing only where its cluster says so, not where the way to the cluster is', async (t) => {
  const { client, clock, answers } = await open(t, { [podPath]: { status: 404, body: { details: { name: 'web' } } } });
  await client.find({ kind: 'Pod' }, clock.now(), 'edge');
  assert.equal(await client.read(place, neverAborted), undefined);
  for (const path of Object.keys(answers)) answers[path] = undefined;
  clock.advance(5_000);
  await assert.rejects(client.read(place, neverAborted), { message: 'cluster edge does not answer for pods' });
  await assert.rejects(client.find({ kind: 'Pod' }, clock.now(), 'edge'), /cluster-gateway is not there/);
});

it('nobody is told to let the addon read all Secrets for one', async (t) => {
  const secret = { ...pod, kind: 'Secret', plural: 'secrets' };
  const { client } = await open(t, { '/api/v1/namespaces/shop/secrets/web': forbidden('', 'no') });
  await assert.rejects(client.read({ type: secret, namespace: 'shop', name: 'web' }, neverAborted), {
    message:
      'the connection may not get secrets web in namespace shop: grant its account get, list and watch on secrets in namespace shop (403 no)',
  });
});
