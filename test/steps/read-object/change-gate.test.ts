import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OnChange } from '../../../src/core/change-gate.ts';
import { Rejected } from '../../../src/core/effect.ts';
import { digestOf, type JsonObject } from '../../../src/core/json.ts';
import type { ConnectionUse } from '../../../src/core/step.ts';
import { changeGate } from '../../../src/steps/read-object/change-gate.ts';
import { application, FakeCluster, shop } from './fake-cluster.ts';

const web = { kind: 'Deployment', name: 'web' };
const deployment = (changes: { metadata?: JsonObject; spec?: JsonObject; status?: JsonObject } = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  spec: { replicas: 2, image: 'app:1' },
  ...changes,
  metadata: { name: 'web', generation: 3, ...changes.metadata },
});
const statefulSet = (generation: number) => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'web', generation },
});
const configMap = (changes: { metadata?: JsonObject; data?: JsonObject } = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  data: { a: 'b' },
  ...changes,
  metadata: { name: 'settings', ...changes.metadata },
});

async function seenIn(cluster: FakeCluster, onChange: OnChange, context = cluster.context({ origin: shop })) {
  const look = await changeGate.look(context, onChange);
  assert.ok('seen' in look, JSON.stringify(look));
  return { value: look.seen.value, digest: digestOf(look.seen.evidence) };
}

async function endIn(cluster: FakeCluster, onChange: OnChange) {
  const look = await changeGate.look(cluster.context({ origin: shop }), onChange);
  assert.ok(!('seen' in look));
  return [look.kind, 'reason' in look ? look.reason : undefined, look.message];
}

function clusterWith(...objects: Parameters<FakeCluster['put']>[0][]): FakeCluster {
  const cluster = new FakeCluster();
  for (const object of objects) cluster.put(object);
  return cluster;
}

describe('onChange is refused', () => {
  for (const { name, onChange, at } of [
    { name: 'without anything to look at', onChange: {}, at: [''] },
    { name: 'with two things to look at', onChange: { object: web, key: null }, at: ['/key'] },
    { name: 'with all of them', onChange: { object: web, component: 'web', key: 1 }, at: ['/component', '/key'] },
    { name: 'with fields of no object', onChange: { key: 1, fields: ['.a'] }, at: ['/fields'] },
    { name: 'with a path that is none', onChange: { object: web, fields: ['.a', '.b['] }, at: ['/fields/1'] },
  ]) {
    it(name, () => {
      assert.deepEqual(
        changeGate.check(onChange).map(({ path }) => path),
        at,
      );
    });
  }

  it('for nothing else', () => {
    for (const onChange of [
      { object: web, fields: ['.a'] },
      { component: 'web' },
      { key: null },
      { key: { a: [1] } },
    ]) {
      assert.deepEqual(changeGate.check(onChange), []);
    }
  });
});

it('a key is compared as it is, and takes no cluster', async () => {
  assert.deepEqual(changeGate.uses({ key: false }), []);
  assert.deepEqual(changeGate.uses({ component: 'web', connection: 'here' }), [
    { family: 'kubernetes', name: 'here', claims: {} },
  ]);
  const look = await changeGate.look(new FakeCluster().context(), { key: { a: [1] } });
  assert.deepEqual(look, { seen: { evidence: { a: [1] }, value: { a: [1] } } });
});

describe('an object has changed', () => {
  const same = { object: web };
  for (const { name, before, after, onChange = same, isChange } of [
    {
      name: 'with its generation',
      before: statefulSet(3),
      after: statefulSet(4),
      onChange: { object: { kind: 'StatefulSet', name: 'web' } },
      isChange: true,
    },
    {
      name: 'as a Deployment with its spec',
      before: deployment(),
      after: deployment({ metadata: { generation: 4 }, spec: { replicas: 3, image: 'app:1' } }),
      isChange: true,
    },
    {
      name: 'as a Deployment not with its annotations, though its generation has',
      before: deployment(),
      after: deployment({ metadata: { generation: 4, annotations: { a: 'b' } } }),
      isChange: false,
    },
    {
      name: 'not with its labels or status',
      before: deployment(),
      after: deployment({ metadata: { labels: { a: 'b' } }, status: { replicas: 1 } }),
      isChange: false,
    },
    {
      name: 'when it was made anew',
      before: deployment(),
      after: deployment({ metadata: { uid: 'another' } }),
      isChange: true,
    },
    {
      name: 'with the fields that are named',
      before: deployment(),
      after: deployment({ spec: { replicas: 2, image: 'app:2' } }),
      onChange: { object: web, fields: ['.spec.image', '.spec.paused'] },
      isChange: true,
    },
    {
      name: 'not with others',
      before: deployment(),
      after: deployment({ metadata: { generation: 4 }, spec: { replicas: 9, image: 'app:1' } }),
      onChange: { object: web, fields: ['.spec.image', '.spec.paused'] },
      isChange: false,
    },
    {
      name: 'without a generation with all that people write',
      before: configMap(),
      after: configMap({ data: { a: 'c' } }),
      onChange: { object: { kind: 'ConfigMap', name: 'settings' } },
      isChange: true,
    },
    {
      name: 'without a generation not with its labels',
      before: configMap(),
      after: configMap({ metadata: { resourceVersion: '9', labels: { a: 'b' } } }),
      onChange: { object: { kind: 'ConfigMap', name: 'settings' } },
      isChange: false,
    },
  ]) {
    it(name, async () => {
      const first = await seenIn(clusterWith(before), onChange);
      const second = await seenIn(clusterWith(after), onChange);
      assert.equal(second.digest !== first.digest, isChange);
    });
  }

  it('and people are told the generation, the fields, or a digest; of a Secret nothing', async () => {
    const cluster = clusterWith(deployment(), configMap(), { ...configMap(), kind: 'Secret' });
    assert.equal((await seenIn(cluster, same)).value, 3);
    assert.deepEqual((await seenIn(cluster, { ...same, fields: ['.spec.image', '.no'] })).value, {
      '.spec.image': 'app:1',
      '.no': null,
    });
    const { value } = await seenIn(cluster, { object: { kind: 'ConfigMap', name: 'settings' } });
    assert.match(String(value), /^sha256:[0-9a-f]{64}$/);
    const secret = { kind: 'Secret', name: 'settings' };
    assert.equal((await seenIn(cluster, { object: secret })).value, null);
    assert.equal((await seenIn(cluster, { object: secret, fields: ['.data.a'] })).value, null);
  });

  it('in a managed cluster only where the connection allows it, which is looked at first', async () => {
    const cluster = clusterWith(deployment());
    const claimed: ConnectionUse['claims'][] = [];
    const context = cluster.context({ refuse: (claims) => claimed.push(claims) });
    await seenIn(cluster, { object: { ...web, cluster: 'edge' } }, context);
    assert.deepEqual(claimed, [{}, { clusters: ['edge'] }, {}]);
    assert.deepEqual(cluster.reads, ['Deployment web in edge']);
    await seenIn(cluster, { object: { ...web, cluster: 'local' } });
    await seenIn(cluster, { object: { ...web, cluster: '', namespace: '', apiVersion: '' } });
    assert.deepEqual(cluster.reads.slice(1), ['Deployment web', 'Deployment web']);
  });

  it('fails with what to do where it does not exist', async () => {
    const cluster = clusterWith(deployment());
    cluster.remove('Deployment', 'web');
    assert.deepEqual(await endIn(cluster, same), [
      'failed',
      'NotFound',
      'Deployment default/web, which onChange names, does not exist: place this step after the one that applies it',
    ]);
  });

  it('waits a while for a kind that is not served yet', async () => {
    const cluster = new FakeCluster();
    const context = cluster.context();
    const first = await changeGate.look(context, same);
    assert.deepEqual(first, {
      kind: 'waiting',
      message: 'the cluster knows no kind Deployment',
      until: cluster.clock.now() + 5_000,
    });
    cluster.clock.advance(30_000);
    const late = await changeGate.look(context, same);
    assert.equal('reason' in late && late.reason, 'NotFound');
  });
});

describe('a component', () => {
  const ofWeb = { labels: { 'app.oam.dev/component': 'web' } };
  const ofApi = { labels: { 'app.oam.dev/component': 'api' } };
  const ref = (kind: string, name: string, apiVersion = 'v1') => ({ apiVersion, kind, name, namespace: 'default' });
  const webRefs = [ref('Deployment', 'web', 'apps/v1'), ref('ConfigMap', 'settings'), ref('Secret', 'token')];
  const others = [ref('ClusterRole', 'api', 'rbac.authorization.k8s.io/v1'), ref('ConfigMap', 'gone')];
  const onChange = { component: 'web' };

  function shopWith(appliedResources: readonly JsonObject[] = [...webRefs, ...others]): FakeCluster {
    return clusterWith(
      {
        ...application,
        metadata: { name: 'shop' },
        spec: { components: [{ name: 'web' }, { name: 'api' }] },
        status: { appliedResources },
      },
      deployment({ metadata: ofWeb }),
      configMap({ metadata: ofWeb }),
      { ...configMap({ metadata: { ...ofWeb, name: 'token' } }), kind: 'Secret' },
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'api', ...ofApi } },
    );
  }

  const noSecrets = (claims: ConnectionUse['claims']) => {
    if (claims.secrets !== undefined || claims.clusterKinds !== undefined) throw new Rejected('Denied', 'not allowed');
  };

  it('is its objects among those that the Application has applied', async () => {
    const cluster = shopWith();
    const { value, digest } = await seenIn(cluster, onChange);
    assert.deepEqual(Object.keys(value as JsonObject).sort(), [
      'ConfigMap default/settings',
      'Deployment default/web',
      'Secret default/token',
    ]);
    assert.equal((value as JsonObject)['Deployment default/web'], 3);
    assert.equal((value as JsonObject)['Secret default/token'], null);

    cluster.put({ ...configMap({ metadata: { name: 'x', ...ofApi } }), data: { changed: 'yes' } });
    cluster.put({ ...deployment({ metadata: ofWeb }), status: { replicas: 9 } });
    assert.equal((await seenIn(cluster, onChange)).digest, digest, 'nothing of it has changed');
    const reversed = shopWith([...others, ...webRefs].reverse());
    assert.equal((await seenIn(reversed, onChange)).digest, digest, 'the order says nothing');
    cluster.put(configMap({ metadata: ofWeb, data: { a: 'c' } }));
    assert.notEqual((await seenIn(cluster, onChange)).digest, digest);
    assert.notEqual((await seenIn(shopWith(webRefs.slice(0, 2)), onChange)).digest, digest, 'one less');
  });

  it('leaves out Secrets that the connection does not allow, and never asks for them', async () => {
    const cluster = shopWith();
    const context = cluster.context({ origin: shop, refuse: noSecrets });
    const { value } = await seenIn(cluster, onChange, context);
    assert.deepEqual(Object.keys(value as JsonObject).sort(), ['ConfigMap default/settings', 'Deployment default/web']);
    assert.ok(!cluster.reads.some((read) => read.startsWith('Secret')), cluster.reads.join());
  });

  it('is denied where the connection does not allow an object of it, but not for an object of another one', async () => {
    const cluster = shopWith();
    const context = cluster.context({ origin: shop, refuse: noSecrets });
    await assert.rejects(changeGate.look(context, { component: 'api' }), { name: 'Rejected', reason: 'Denied' });
  });

  it('is read in the clusters that it is in, if the connection allows them', async () => {
    const cluster = shopWith([{ ...ref('Deployment', 'web', 'apps/v1'), cluster: 'edge' }]);
    const { value } = await seenIn(cluster, onChange);
    assert.deepEqual(value, { 'Deployment default/web in cluster edge': 3 });
    const refuse = (claims: ConnectionUse['claims']) => {
      if (claims.clusters !== undefined) throw new Rejected('Denied', 'no clusters');
    };
    await assert.rejects(changeGate.look(cluster.context({ origin: shop, refuse }), onChange), { reason: 'Denied' });
  });

  it('is read by few requests at once, and only as far as it is small', async () => {
    const many = (count: number) => shopWith(Array.from({ length: count }, () => webRefs[0] ?? {}));
    const cluster = many(200);
    await seenIn(cluster, onChange);
    assert.deepEqual([cluster.mostReadsAtOnce, cluster.reads.length], [8, 201]);
    const [, reason, message] = await endIn(many(201), onChange);
    assert.equal(reason, 'TooLarge');
    assert.match(String(message), /has applied 201 objects, and onChange looks at up to 200 .*name an object instead$/);
  });

  it('fails with what there is where there is nothing to see', async () => {
    const cluster = shopWith(others);
    const [, , none] = await endIn(cluster, onChange);
    assert.match(String(none), /^component web of Application shop has no objects that count .*place this step after/);
    assert.deepEqual(await endIn(cluster, { component: 'webb' }), [
      'failed',
      'NotFound',
      'Application shop has no component webb; it has web, api',
    ]);
    cluster.remove('Application', 'shop');
    assert.match(String((await endIn(cluster, onChange))[2]), /^the Application that asks cannot be found/);
  });
});
