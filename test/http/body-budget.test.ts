import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyBudget } from '../../src/http/body-budget.ts';

test('what one has taken is kept from the others until it is done, and no more is given than there is', async () => {
  const budget = new BodyBudget(10);
  const { promise: isDone, resolve: done } = Promise.withResolvers<void>();
  const first = budget.share(async (take) => {
    assert.deepEqual([take(4), take(4), take(4)], [true, true, false]);
    await isDone;
  });
  await budget.share(async (take) => assert.deepEqual([take(3), take(2), take(1)], [false, true, false]));
  done();
  await first;
  await budget.share(async (take) => assert.deepEqual([take(10), take(1)], [true, false]));
});

test('one that fails gives back what it has taken', async () => {
  const budget = new BodyBudget(10);
  const failing = budget.share(async (take) => {
    take(10);
    throw new Error('the client went away');
  });
  await assert.rejects(failing, /went away/);
  assert.equal(await budget.share(async (take) => take(10)), true);
});
