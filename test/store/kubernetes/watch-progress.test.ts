import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchProgress } from '../../../src/store/kubernetes/watch-progress.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { settled } from './lease-server.ts';

test('who waits for a version goes on when it was reached, and at once where it was', async () => {
  const progress = new WatchProgress(new ManualClock(0));
  const over: string[] = [];
  void progress.until(10n, 1_000).then(() => over.push('ten'));
  void progress.until(20n, 1_000).then(() => over.push('twenty'));
  progress.reached('9');
  await settled();
  assert.deepEqual(over, []);
  progress.reached('11');
  await settled();
  assert.deepEqual(over, ['ten']);
  progress.reached('20');
  await settled();
  assert.deepEqual(over, ['ten', 'twenty']);
  await progress.until(15n, 1_000);
});

test('a watch that lags for too long is an error, not a wait without end', async () => {
  const clock = new ManualClock(0);
  const waiting = new WatchProgress(clock).until(10n, 1_000);
  clock.advance(1_000);
  await assert.rejects(waiting, /lags behind by more than 1000 ms/);
});
