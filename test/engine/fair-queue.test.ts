import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from '../../src/engine/fair-queue.ts';

interface Item {
  readonly namespace: string;
  readonly id: string;
}

function filled(mostRunning: number, ids: readonly string[]): FairQueue<Item> {
  const queue = new FairQueue<Item>(mostRunning);
  for (const id of ids) queue.add(item(id));
  return queue;
}

/** `a1` is of the namespace `a`. */
const item = (id: string): Item => ({ namespace: id.slice(0, 1), id });

function taken(queue: FairQueue<Item>): string[] {
  const ids: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) ids.push(next.id);
  return ids;
}

test('the namespaces take turns, each in the order in which it asked', () => {
  assert.deepEqual(taken(filled(9, ['a1', 'a2', 'a3', 'b1', 'c1', 'b2'])), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
});

test('a namespace whose share is under way waits until one of its own ends, and keeps nobody else waiting', () => {
  const queue = filled(2, ['a1', 'a2', 'a3', 'a4', 'b1']);
  assert.deepEqual(taken(queue), ['a1', 'b1', 'a2']);
  assert.equal(queue.size, 2);
  queue.end(item('b1'));
  assert.deepEqual(taken(queue), []);
  queue.end(item('a1'));
  assert.deepEqual(taken(queue), ['a3']);
  queue.add(item('b2'));
  assert.deepEqual(taken(queue), ['b2']);
});

test('100,000 of one namespace are taken in order', () => {
  const ids = Array.from({ length: 100_000 }, (_, index) => `a${index}`);
  const queue = filled(1, ids);
  const seen: string[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    seen.push(next.id);
    queue.end(next);
  }
  assert.deepEqual(seen, ids);
  assert.equal(queue.size, 0);
});
