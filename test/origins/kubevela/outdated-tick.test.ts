import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOutdatedTick } from '../../../src/origins/kubevela/outdated-tick.ts';
import { toKubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { application, ended, execution, smoke, t0 } from './samples.ts';

const seen = (changes: object) =>
  toKubernetesObject({ metadata: { name: 'web' }, ...application({ steps: [{ ...smoke, ...changes }] }) });
const over = { phase: 'succeeded', reason: '' };

for (const { what, isOutdated, tick = ended(), object = seen(over), now = t0 } of [
  { what: 'its step has ended in the Application', isOutdated: true },
  { what: 'its step has failed there', isOutdated: true, object: seen({ phase: 'failed', reason: 'Action' }) },
  { what: 'its step still stands there', isOutdated: false, object: seen({}) },
  { what: 'its step is tried again', isOutdated: false, object: seen({ phase: 'failed', reason: 'Execute' }) },
  { what: 'its session does not stand there', isOutdated: false, object: seen({ ...over, id: 'other00001' }) },
  { what: 'it has not ended itself', isOutdated: false, tick: execution() },
  { what: 'it has ended more than a minute ago', isOutdated: false, now: t0 + 60_001 },
]) {
  test(`a tick ${isOutdated ? 'is outdated' : 'is answered'} where ${what}`, () => {
    assert.equal(isOutdatedTick(tick, object, now), isOutdated);
  });
}

test('a tick is answered where nothing was seen', () => {
  assert.equal(isOutdatedTick(ended(), undefined, t0), false);
});
