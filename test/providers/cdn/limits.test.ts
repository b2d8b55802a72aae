import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cutIntoCalls, largestWindow } from '../../../src/providers/cdn/limits.ts';
import { chooseSeed, seededRandom } from '../../support/seeded-random.ts';

const unlimited = Number.POSITIVE_INFINITY;

describe('largestWindow', () => {
  for (const { name, itemBytes, size, window } of [
    { name: 'all of a short list', itemBytes: [1, 1], size: { items: 5, bytes: 10 }, window: 2 },
    { name: 'the item limit', itemBytes: [1, 1, 1], size: { items: 2, bytes: unlimited }, window: 2 },
    {
      name: 'the bytes of the longest neighbours',
      itemBytes: [1, 1, 8, 2, 1],
      size: { items: 5, bytes: 10 },
      window: 2,
    },
    {
      name: 'one at least, even where an item is too long',
      itemBytes: [1, 20, 1],
      size: { items: 5, bytes: 10 },
      window: 1,
    },
    { name: 'one for nothing', itemBytes: [], size: { items: 5, bytes: 10 }, window: 1 },
  ]) {
    it(`is ${name}`, () => assert.equal(largestWindow(itemBytes, size), window));
  }

  it('fits wherever it begins, and one more would not (random lists)', () => {
    const seed = chooseSeed();
    const random = seededRandom(seed);
    for (let round = 0; round < 300; round += 1) {
      const itemBytes = Array.from({ length: 1 + random.below(40) }, () => 1 + random.below(9));
      const size = { items: 1 + random.below(20), bytes: 10 + random.below(50) };
      const window = largestWindow(itemBytes, size);
      const fitsEverywhere = (length: number): boolean =>
        length <= Math.min(size.items, itemBytes.length) &&
        itemBytes.every((_, start) => sum(itemBytes.slice(start, start + length)) <= size.bytes);
      assert.ok(fitsEverywhere(window), `seed ${seed}, round ${round}: ${window} is too much`);
      assert.ok(!fitsEverywhere(window + 1), `seed ${seed}, round ${round}: ${window} is too little`);
    }
  });
});

describe('cutIntoCalls', () => {
  it('fills each call as far as items and bytes allow, and leaves an item that is too long alone', () => {
    const size = { items: 3, bytes: 10 };
    assert.deepEqual(cutIntoCalls([1, 1, 1, 1, 5, 5, 20, 1], size), [
      [0, 3],
      [3, 5],
      [5, 6],
      [6, 7],
      [7, 8],
    ]);
    assert.deepEqual(cutIntoCalls([], size), []);
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
