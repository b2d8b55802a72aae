import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Origin } from '../../../src/core/execution.ts';
import type { GateContext } from '../../../src/core/ready-gate.ts';
import { changeGate } from '../../../src/steps/read-object/change-gate.ts';
import { lastDetail, observe, type Wish } from '../../../src/steps/read-object/observe.ts';
import { application, FakeCluster, shop } from './fake-cluster.ts';

const wish: Wish = { object: { kind: 'Widget', name: 'w' }, waitFor: 'rolledOut', missing: 'wait' };
const deployer = 'system:serviceaccount:default:deployer';
const widget = (ready: string) => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name: 'w', uid: 'u1' },
  status: { conditions: [{ type: 'Ready', status: ready, message: 'the launch code is 1234' }] },
});

/** A cluster in which the Application names a service account, unless told otherwise. */
function stage({ impersonates = true, account = 'deployer' } = {}): FakeCluster {
  const cluster = new FakeCluster();
  cluster.impersonates = impersonates;
  const annotations = account === '' ? {} : { 'app.oam.dev/service-account-name': account };
  cluster.put({ ...application, metadata: { name: 'shop', annotations } });
  cluster.put(widget('False'));
  return cluster;
}

describe('for an Application that names a service account', () => {
  const onChange = { object: { kind: 'Widget', name: 'w' } };
  const everyLook: Record<string, (context: GateContext) => Promise<unknown>> = {
    'read-object and readyWhen': (context) => observe(context, wish),
    onChange: (context) => changeGate.look(context, onChange),
    'onChange of a component': (context) => changeGate.look(context, { component: 'web' }),
  };

  for (const [name, look] of Object.entries(everyLook)) {
    it(`${name}: nothing is read where the connection does not impersonate`, async () => {
      const cluster = stage({ impersonates: false });
      await assert.rejects(look(cluster.context({ origin: shop })), (error: Error & { reason?: string }) => {
        assert.equal(error.reason, 'Denied');
        assert.match(error.message, /^Application default\/shop is to act as its service account deployer/);
        assert.match(error.message, /the connection has impersonate: false; its owner can set it to true$/);
        return true;
      });
      assert.deepEqual(cluster.reads, ['Application shop']);
    });
  }

  it('objects are read as it, and the Application by our own account', async () => {
    const cluster = stage();
    await observe(cluster.context({ origin: shop }), wish);
    await changeGate.look(cluster.context({ origin: shop }), onChange);
    const both = ['Application shop', `Widget w as ${deployer}`];
    assert.deepEqual(cluster.reads, [...both, ...both]);
  });

  it('nothing that our own account watches is told, and each time it is read', async () => {
    const cluster = stage();
    const first = await observe(cluster.context({ origin: shop }), wish);
    const outcome = 'outcome' in first && first.outcome.kind === 'waiting' ? first.outcome : assert.fail();
    assert.deepEqual(outcome.state, { uid: 'u1', account: deployer });
    const again = cluster.context({ origin: shop, state: outcome.state ?? null });
    cluster.sight = { object: widget('False'), resourceVersion: '2' };
    assert.deepEqual(await observe(again, wish), first);
    cluster.put(widget('True'));
    assert.ok('object' in (await observe(again, wish)), 'whatever the watch shows');
    assert.deepEqual(new Set(cluster.reads), new Set(['Application shop', `Widget w as ${deployer}`]));
    assert.equal(await lastDetail(again, wish), '');
    // Without it the same watch would tell.
    assert.match(
      await lastDetail(cluster.context({ state: { uid: 'u1' } }), wish),
      /^; its condition Ready is False .*launch code/,
    );
  });

  it('a name that no service account has is denied', async () => {
    const cluster = stage({ account: 'deployer\r\nx-remote-user: admin' });
    await assert.rejects(observe(cluster.context({ origin: shop }), wish), { reason: 'Denied' });
    assert.deepEqual(cluster.reads, ['Application shop']);
  });
});

describe('by our own account objects are read', () => {
  const workflowRun: Origin = { ...shop, kind: 'WorkflowRun' };
  for (const { name, cluster, origin, reads } of [
    {
      name: 'where the Application names none',
      cluster: stage({ account: '' }),
      origin: shop,
      reads: ['Application shop'],
    },
    { name: 'for a WorkflowRun', cluster: stage(), origin: workflowRun, reads: [] },
    { name: 'for a caller of the API', cluster: stage(), origin: undefined, reads: [] },
  ]) {
    it(name, async () => {
      await observe(cluster.context(origin === undefined ? {} : { origin }), wish);
      assert.deepEqual(cluster.reads, [...reads, 'Widget w']);
    });
  }

  it('where the cluster knows no Applications', async () => {
    const cluster = new FakeCluster();
    cluster.put(widget('False'));
    await observe(cluster.context({ origin: shop }), wish);
    assert.deepEqual(cluster.reads, ['Widget w']);
  });
});
