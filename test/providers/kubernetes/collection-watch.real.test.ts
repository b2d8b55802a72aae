import assert from 'node:assert/strict';
import { after, before, it, type TestContext } from 'node:test';
import type { KubernetesClient } from '../../../src/providers/kubernetes/kubernetes-client.ts';
import { type FaultyProxy, startFaultyProxy } from '../../support/faulty-proxy.ts';
import { type Kubernetes, startKubernetes } from '../../support/kubernetes/start-kubernetes.ts';
import { apply, kubeconfigOf } from './cluster-objects.ts';
import { openClient } from './open-client.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

let cluster: Kubernetes;
before(async () => {
  cluster = await startKubernetes();
});
after(() => cluster.close());

async function open(test: TestContext, options: Readonly<Record<string, string>> = {}) {
  const proxy = await startFaultyProxy(Number(new URL(cluster.url).port));
  const client = openClient(await kubeconfigOf(cluster, { port: proxy.port }), options);
  test.after(async () => {
    await client.close();
    await proxy.close();
  });
  return { proxy, client };
}

const create = (name: string) =>
  apply(cluster, { method: 'POST', path: configMaps, body: { metadata: { name }, data: { n: '0' } } });

const write = (name: string, n: string) =>
  apply(cluster, {
    method: 'PATCH',
    path: `${configMaps}/${name}`,
    body: { data: { n } },
    contentType: 'application/merge-patch+json',
  });

/** Counts what is raised, and waits until the watch shows what is wanted. */
function follow(client: KubernetesClient, name: string) {
  const path = `${configMaps}/${name}`;
  let raised = 0;
  let look = () => {};
  const release = client.subscribe(path, () => {
    raised += 1;
    look();
  });
  const shows = () => {
    const sight = client.watches.look(path);
    if (sight === undefined || 'refused' in sight) return 'unknown';
    return sight.object === undefined ? 'absent' : String((sight.object.data as { n: string }).n);
  };
  return {
    release,
    raised: () => raised,
    until: (wanted: string) =>
      new Promise<void>((resolve) => {
        look = () => {
          if (shows() === wanted) resolve();
        };
        look();
      }),
  };
}

it('one watch serves all, and raises each of them only for its own object', async (t) => {
  const { client } = await open(t);
  for (const name of ['mine', 'yours']) await create(name);
  const mine = follow(client, 'mine');
  await mine.until('0');
  const yours = [follow(client, 'yours'), follow(client, 'yours')];
  await Promise.all(yours.map((one) => one.until('0')));
  const before = mine.raised();
  await write('yours', '1');
  await Promise.all(yours.map((one) => one.until('1')));
  assert.deepEqual([client.watches.size, mine.raised()], [1, before]);
  assert.deepEqual(
    yours.map((one) => one.raised()),
    [2, 2],
  );
  for (const one of [mine, ...yours]) one.release();
  assert.equal(client.watches.size, 0);
});

it('a new subscription is raised once by what the watch knows already', async (t) => {
  const { client } = await open(t);
  await create('known');
  const first = follow(client, 'known');
  await first.until('0');
  const second = follow(client, 'known');
  assert.equal(second.raised(), 1);
});

it('an object that is not there is told of once it is created, and again when it is deleted', async (t) => {
  const { client } = await open(t);
  const coming = follow(client, 'coming');
  await coming.until('absent');
  await create('coming');
  await coming.until('0');
  await apply(cluster, { method: 'DELETE', path: `${configMaps}/coming` });
  await coming.until('absent');
});

const faults: readonly (readonly [name: string, break_: (proxy: FaultyProxy) => void])[] = [
  ['is reset', (proxy) => proxy.cut()],
  ['falls silent without an end', (proxy) => proxy.stall()],
  ['ends in the middle of an event', (proxy) => proxy.truncateAfter(200)],
];
for (const [fault, break_] of faults) {
  it(`a connection that ${fault} is made anew, and nothing is missed`, async (t) => {
    const { client, proxy } = await open(t, { watchSilence: '1s', requestTimeout: '5s' });
    const name = `fault-${faults.findIndex(([each]) => each === fault)}`;
    await create(name);
    const one = follow(client, name);
    await one.until('0');
    // By the watch, so that it stands before it breaks.
    await write(name, 'watched');
    await one.until('watched');
    const { accepted } = proxy;
    break_(proxy);
    for (const n of ['1', '2', '3']) await write(name, n);
    await one.until('3');
    assert.ok(proxy.accepted > accepted);
  });
}

it('after a restart of the API server, which answers 410, the watch lists again and shows what has changed', async (t) => {
  const { client } = await open(t);
  for (const name of ['kept', 'gone', 'unchanged']) await create(name);
  const [kept, gone, unchanged] = ['kept', 'gone', 'unchanged'].map((name) => follow(client, name));
  assert.ok(kept && gone && unchanged);
  await Promise.all([kept.until('0'), gone.until('0'), unchanged.until('0')]);
  const before = unchanged.raised();
  await cluster.restartApiServer();
  await write('kept', '1');
  await apply(cluster, { method: 'DELETE', path: `${configMaps}/gone` });
  await Promise.all([kept.until('1'), gone.until('absent')]);
  assert.equal(unchanged.raised(), before);
});

it('a list of several pages misses none', async (t) => {
  const names = Array.from({ length: 620 }, (_, index) => `page-${String(index).padStart(3, '0')}`);
  // Not all at once: each would be a connection of its own.
  while (names.length > 0) await Promise.all(names.splice(0, 20).map(create));
  const { client } = await open(t);
  const [first, last] = [follow(client, 'page-000'), follow(client, 'page-619')];
  await Promise.all([first.until('0'), last.until('0')]);
});

it('a watch that may not list says so to those who wait, and nobody else', async (t) => {
  const client = openClient(await kubeconfigOf(cluster, { token: cluster.adminToken }));
  t.after(() => client.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  const release = client.subscribe('/apis/none.example.com/v1/namespaces/default/widgets/w', resolve);
  await promise;
  const sight = client.watches.look('/apis/none.example.com/v1/namespaces/default/widgets/w');
  assert.ok(sight !== undefined && 'refused' in sight);
  assert.match(sight.refused.message, /no longer serves \/apis\/none/);
  release();
});
