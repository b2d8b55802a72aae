import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LruMap } from '../../src/core/lru-map.ts';

it('forgets what was used longest ago once it is full', () => {
  const map = new LruMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  assert.equal(map.get('a'), 1);
  map.set('c', 3);
  assert.equal(map.get('b'), undefined);
  assert.equal(map.get('a'), 1);
  assert.equal(map.get('c'), 3);
});

it('tells what it forgets, but not what was replaced or deleted', () => {
  const forgotten: [string, number][] = [];
  const map = new LruMap<string, number>(1, (key, value) => forgotten.push([key, value]));
  map.set('a', 1);
  map.set('a', 2);
  map.set('b', 3);
  assert.deepEqual(forgotten, [['a', 2]]);
  assert.deepEqual([...map.values()], [3]);
  map.delete('b');
  map.set('c', 4);
  assert.deepEqual(forgotten, [['a', 2]]);
});
