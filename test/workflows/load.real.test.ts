import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSeed } from '../support/seeded-random.ts';
import { loseFirstWrites, requestBeside } from './load.ts';

const seed = chooseSeed();

test('sixty steps at once, some of whose first status writes are lost, start one run each', async (t) => {
  t.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
  const { stepsByRuns, ends, ids, lostWrites } = await loseFirstWrites({ applications: 20, seed });
  assert.deepEqual({ stepsByRuns, ends }, { stepsByRuns: { 1: 60 }, ends: ['succeeded'] });
  assert.ok(lostWrites > 0 && ids > 60, `${lostWrites} writes were lost, and the steps came with ${ids} ids`);
});

test('requests of KubeVela’s own in step-groups with two steps of ours are sent once each, though each end wakes the engine', async (t) => {
  t.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
  const { applicationsByRequests, ends, conflicts } = await requestBeside({ applications: 12, seed });
  assert.deepEqual(
    { applicationsByRequests, ends, conflicts },
    { applicationsByRequests: { 1: 12 }, ends: ['succeeded'], conflicts: 0 },
  );
});
