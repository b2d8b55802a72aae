import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rejected } from '../../../src/core/effect.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { OriginSource, originSignal } from '../../../src/origins/kubevela/origin-source.ts';
import { FakeCluster } from './fake-cluster.ts';
import { application, smoke, web, webPlace } from './samples.ts';

function open() {
  const cluster = new FakeCluster(() => new Error('not asked'));
  const source = new OriginSource(cluster);
  const key = originSignal(web).slice('origin:'.length);
  let raised = 0;
  const release = source.subscribe(key, () => {
    raised += 1;
  });
  return {
    cluster,
    source,
    release,
    raised: () => raised,
    become(object: JsonObject | undefined) {
      cluster.set(webPlace, object);
      cluster.show(webPlace);
    },
  };
}

test('a signal names the session and its object', () => {
  assert.equal(originSignal(web), 'origin:Application/shop/web/smoke00001');
});

test('a subscription is raised once by its first read, also where there is nothing', () => {
  const { become, raised } = open();
  assert.equal(raised(), 0);
  become(undefined);
  become(undefined);
  assert.equal(raised(), 1);
});

const other = { ...smoke, id: 'other00001', name: 'other' };
const before = { steps: [smoke, other] };
const now = '2026-11-21T02:00:09Z';
const unconcerned: readonly (readonly [what: string, object: JsonObject])[] = [
  ['a tick', application({ steps: [{ ...smoke, lastExecuteTime: now, message: 'still waiting' }, other] })],
  ['another step', application({ steps: [smoke, { ...other, phase: 'succeeded' }] })],
  ['a condition', application(before, { status: { ...(application(before).status as JsonObject), conditions: [] } })],
  ['a suspension', application({ ...before, suspend: true })],
];
for (const [what, object] of unconcerned) {
  test(`${what} does not concern the session`, () => {
    const { become, raised } = open();
    become(application(before));
    become(object);
    assert.equal(raised(), 1);
  });
}

const concerned: readonly (readonly [what: string, object: JsonObject | undefined])[] = [
  ['its phase', application({ steps: [{ ...smoke, phase: 'failed' }, other] })],
  ['its reason', application({ steps: [{ ...smoke, reason: 'Timeout' }, other] })],
  ['its type', application({ steps: [{ ...smoke, type: 'other' }, other] })],
  ['its end with a new revision', application({ steps: [other] })],
  ['the revision that runs', application({ ...before, appRevision: 'web-v2' })],
  ['a termination', application({ ...before, terminated: true })],
  ['the end of the workflow', application({ ...before, finished: true })],
  ['a deletion that has begun', application(before, { metadata: { deletionTimestamp: now } })],
  ['another object of its name', application(before, { metadata: { uid: 'uid-2' } })],
  ['a deletion', undefined],
];
for (const [what, object] of concerned) {
  test(`${what} concerns the session`, () => {
    const { become, raised } = open();
    become(application(before));
    become(object);
    assert.equal(raised(), 2);
  });
}

test('its appearance concerns the session, be it in a step-group', () => {
  const { become, raised } = open();
  become(application({ steps: [other] }));
  become(application({ steps: [{ ...other, subSteps: [smoke] }] }));
  assert.equal(raised(), 2);
});

test('what is nobody’s is not watched', () => {
  const { cluster, release } = open();
  assert.equal(cluster.watched, 1);
  release();
  assert.equal(cluster.watched, 0);
});

test('what the watch shows counts only when it is not older than what was read', () => {
  const { cluster, source, become } = open();
  become(application({ steps: [other] }));
  cluster.set(webPlace, application(before));
  source.noteRead(webPlace, cluster.get(webPlace));
  assert.equal(source.look(web), undefined, 'the session was read, and the watch does not show it yet');
  cluster.show(webPlace);
  assert.equal(source.look(web)?.object, cluster.get(webPlace));
  become(undefined);
  assert.deepEqual(source.look(web)?.object, undefined);
});

test('a read from before anybody followed counts as well', () => {
  const cluster = new FakeCluster(() => new Error('not asked'));
  const source = new OriginSource(cluster);
  cluster.set(webPlace, application({ steps: [other] }));
  const older = cluster.get(webPlace);
  cluster.set(webPlace, application(before));
  source.noteRead(webPlace, cluster.get(webPlace));
  source.follow(web, () => {});
  cluster.show(webPlace, { object: older, resourceVersion: older?.metadata.resourceVersion });
  assert.equal(source.look(web), undefined);
  cluster.show(webPlace);
  assert.equal(source.look(web)?.object, cluster.get(webPlace));
});

test('an absence of unknown age says nothing about what was read to be there', () => {
  const { cluster, source } = open();
  cluster.set(webPlace, application());
  source.noteRead(webPlace, cluster.get(webPlace));
  cluster.show(webPlace, { object: undefined });
  assert.equal(source.look(web), undefined);
});

test('where the kind is not served there is no such object; where we may not look, nothing is known', () => {
  const { cluster, source, raised } = open();
  cluster.show(webPlace, { refused: new Rejected('NotFound', 'no longer serves') });
  assert.deepEqual([source.look(web), raised()], [{ object: undefined }, 1]);
  cluster.show(webPlace, { refused: new Rejected('ConnectionFailed', 'forbidden') });
  assert.deepEqual([source.look(web), raised()], [undefined, 2]);
});
