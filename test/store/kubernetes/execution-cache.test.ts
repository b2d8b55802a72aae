import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExecutionCache } from '../../../src/store/kubernetes/execution-cache.ts';
import { newExecution } from '../sample-executions.ts';

function stored(uid: string, resourceVersion: number, version = 1) {
  const execution = { ...newExecution('one'), version };
  return { uid, resourceVersion: String(resourceVersion), execution };
}

/** A cache, and what it told: `+` a change, `-` a deletion, each with the version. */
function watchedCache() {
  const cache = new ExecutionCache();
  const told: string[] = [];
  cache.watch({
    onChange: ({ version }) => told.push(`+${version}`),
    onDelete: ({ version }) => told.push(`-${version}`),
  });
  return { cache, told, uid: () => cache.get(newExecution('one'))?.uid };
}

test('of two states of an object the newer one stays, and is told once', () => {
  const { cache, told } = watchedCache();
  for (const state of [stored('a', 9, 1), stored('a', 10, 2), stored('a', 9, 1), stored('a', 10, 2)]) cache.put(state);
  assert.deepEqual(told, ['+1', '+2']);
});

test('an object that was made anew tells first that the former one was deleted, whenever its own event comes', () => {
  const { cache, told, uid } = watchedCache();
  cache.put(stored('a', 9, 7));
  cache.put(stored('b', 12));
  assert.deepEqual(told, ['+7', '-7', '+1']);
  cache.delete(stored('a', 11, 7));
  assert.deepEqual([told.length, uid()], [3, 'b']);
  assert.equal(cache.unfinishedCount, 1);
});

test('late news of an object that was there before, known or not, does not take the place of the new one', () => {
  const { cache, told, uid } = watchedCache();
  cache.put(stored('b', 12));
  cache.put(stored('a', 9, 7));
  cache.put(stored('a', 10, 8));
  cache.delete(stored('a', 11, 8));
  assert.deepEqual([told, uid()], [['+1'], 'b']);
});
