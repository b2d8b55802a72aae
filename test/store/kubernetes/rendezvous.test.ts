import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownerOf } from '../../../src/store/kubernetes/rendezvous.ts';

const keys = Array.from({ length: 3_000 }, (_, index) => `shop/e${index}`);
const shares = (members: readonly string[]) =>
  members.map((member) => keys.filter((key) => ownerOf(key, members) === member).length);

test('keys are spread evenly over the members, in whatever order those are known', () => {
  for (const share of shares(['a', 'b', 'c'])) assert.ok(Math.abs(share - 1_000) < 120, String(share));
  for (const key of keys) assert.equal(ownerOf(key, ['a', 'b', 'c']), ownerOf(key, ['c', 'a', 'b']));
});

test('a member that goes moves its own keys only, and they too are spread', () => {
  const before = keys.map((key) => ownerOf(key, ['a', 'b', 'c']));
  const moved = keys.filter((_, index) => before[index] === 'c');
  const after = keys.map((key) => ownerOf(key, ['a', 'b']));
  for (const [index, owner] of before.entries()) if (owner !== 'c') assert.equal(after[index], owner);
  const toA = moved.filter((key) => ownerOf(key, ['a', 'b']) === 'a').length;
  assert.ok(Math.abs(toA - moved.length / 2) < 100, `${toA} of ${moved.length}`);
});

test('without members nobody has anything', () => {
  assert.equal(ownerOf('shop/a', []), undefined);
});
