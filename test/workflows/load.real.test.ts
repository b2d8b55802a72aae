import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSeed } from '../support/seeded-random.ts';
import { requestBeside } from './load.ts';

test('requests of KubeVela’s own in step-groups with two steps of ours are sent once each, though each end wakes the engine', async (t) => {
  const seed = chooseSeed();
  t.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
  const { applicationsByRequests, ends, conflicts } = await requestBeside({ applications: 12, seed });
  assert.deepEqual(
    { applicationsByRequests, ends, conflicts },
    { applicationsByRequests: { 1: 12 }, ends: ['succeeded'], conflicts: 0 },
  );
});
