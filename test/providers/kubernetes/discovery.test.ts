import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { Rejected } from '../../../src/core/effect.ts';
import type { Json } from '../../../src/core/json.ts';
import { ClusterAccess } from '../../../src/providers/kubernetes/cluster-access.ts';
import { ClusterApi } from '../../../src/providers/kubernetes/cluster-api.ts';
import { Discovery } from '../../../src/providers/kubernetes/discovery.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startApiStandIn } from './api-stand-in.ts';

const get = ['get', 'list', 'watch'];
const widget = { name: 'widgets', kind: 'Widget', namespaced: true, verbs: get };

/** As servers before 1.26 answer, whatever they are asked to accept. */
const olderDocuments = (): Record<string, Json> => ({
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/api/v1': {
    resources: [
      { name: 'pods', kind: 'Pod', namespaced: true, verbs: get },
      { name: 'pods/status', kind: 'Pod', namespaced: true, verbs: ['get', 'patch'] },
      { name: 'bindings', kind: 'Binding', namespaced: true, verbs: ['create'] },
      { name: 'nodes', kind: 'Node', namespaced: false, verbs: get },
    ],
  },
  '/apis': {
    groups: [
      {
        name: 'example.com',
        versions: [{ version: 'v2alpha1' }, { version: 'v1' }],
        preferredVersion: { version: 'v1' },
      },
      { name: 'down.example.com', versions: [{ version: 'v1' }] },
    ],
  },
  '/apis/example.com/v1': { resources: [widget] },
  '/apis/example.com/v2alpha1': { resources: [widget, { ...widget, name: 'gadgets', kind: 'Gadget' }] },
});

async function open(test: TestContext, documents: Record<string, Json>) {
  const clock = new ManualClock();
  const api = await startApiStandIn(test, ({ url = '' }) => {
    const body = documents[url];
    return body === undefined ? { status: 503, text: 'service unavailable' } : { body };
  });
  const credential = { path: '/kubeconfig', read: async () => api.kubeconfig() };
  const access = new ClusterAccess({ kubeconfig: credential, clock });
  const discovery = new Discovery(new ClusterApi({ access, requestTimeoutMs: 5_000, clock }), clock);
  return { clock, discovery, requests: api.requests, now: () => clock.now() };
}

it('the older form, one document for each version, says the same as the aggregated one', async (t) => {
  const { discovery, now } = await open(t, olderDocuments());
  const pod = { group: '', version: 'v1', kind: 'Pod', plural: 'pods', isNamespaced: true, hasStatus: true };
  assert.deepEqual(await discovery.find({ kind: 'Pod' }, now()), { type: pod });
  const node = await discovery.find({ kind: 'Node' }, now());
  assert.ok('type' in node && !node.type.isNamespaced && !node.type.hasStatus);
  // What cannot be read is no kind for us.
  assert.ok('missing' in (await discovery.find({ kind: 'Binding' }, now())));
});

it('without apiVersion the version that its group prefers is taken, with it exactly that one', async (t) => {
  const { discovery, now } = await open(t, olderDocuments());
  const versionOf = async (name: { kind: string; apiVersion?: string }) => {
    const found = await discovery.find(name, now());
    return 'type' in found ? found.type.version : found.missing;
  };
  assert.equal(await versionOf({ kind: 'Widget' }), 'v1');
  assert.equal(await versionOf({ kind: 'Widget', apiVersion: 'example.com/v2alpha1' }), 'v2alpha1');
  assert.equal(await versionOf({ kind: 'Gadget' }), 'v2alpha1');
  assert.equal(
    await versionOf({ kind: 'Gadget', apiVersion: 'example.com/v1' }),
    'the cluster serves Gadget as example.com/v2alpha1, not as example.com/v1',
  );
});

it('a kind of several groups must be named with its apiVersion', async (t) => {
  const documents = olderDocuments();
  documents['/api/v1'] = { resources: [widget] };
  const { discovery, now } = await open(t, documents);
  await assert.rejects(discovery.find({ kind: 'Widget' }, now()), (error) => {
    return error instanceof Rejected && error.message.endsWith('set apiVersion to one of v1, example.com/v1');
  });
});

it('of several groups the one that comes first is taken where it has the kind, and nothing else changes', async (t) => {
  const documents = olderDocuments();
  documents['/api/v1'] = { resources: [widget] };
  const { discovery, now } = await open(t, documents);
  const groupOf = async (name: { kind: string; apiVersion?: string; firstApiVersion: string }) => {
    const found = await discovery.find(name, now());
    return 'type' in found ? found.type.group : found.missing;
  };
  assert.equal(await groupOf({ kind: 'Widget', firstApiVersion: 'example.com/v1' }), 'example.com');
  assert.equal(await groupOf({ kind: 'Widget', apiVersion: 'v1', firstApiVersion: 'example.com/v1' }), '');
  assert.equal(await groupOf({ kind: 'Gadget', firstApiVersion: 'example.com/v1' }), 'example.com');
});

it('the cluster is asked once, and anew for a kind that is missing, but not more often than every few seconds', async (t) => {
  const documents = olderDocuments();
  const { clock, discovery, requests, now } = await open(t, documents);
  const asked = () => requests.filter((request) => request === '/apis').length;
  await Promise.all([discovery.find({ kind: 'Pod' }, now()), discovery.find({ kind: 'Node' }, now())]);
  await discovery.find({ kind: 'Widget' }, now());
  assert.equal(asked(), 1);

  clock.advance(1_000);
  const asOf = now();
  assert.deepEqual(await discovery.find({ kind: 'Late' }, asOf), {
    missing: 'the cluster knows no kind Late: is its CRD installed?',
    asOf,
    againAt: asOf + 5_000,
  });
  assert.equal(asked(), 2, 'asked after the question came up');
  clock.advance(1_000);
  await discovery.find({ kind: 'Late' }, asOf);
  assert.equal(asked(), 2, 'not again for the same question');

  documents['/api/v1'] = { resources: [{ ...widget, name: 'lates', kind: 'Late' }] };
  clock.advance(5_000);
  assert.ok('type' in (await discovery.find({ kind: 'Late' }, asOf)));
  assert.equal(asked(), 3);
});
