import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatheredBytes } from '../../src/http/gathered-bytes.ts';

test('pieces of any size are joined in their order', () => {
  const gathered = new GatheredBytes({ mostBytes: 100, take: () => true });
  assert.equal(gathered.bytes.length, 0);
  for (const piece of ['a', '', 'bc', 'd'.repeat(90)]) assert.ok(gathered.add(Buffer.from(piece)));
  assert.equal(gathered.bytes.toString(), `abc${'d'.repeat(90)}`);
});

test('single bytes take no more memory than twice what they are, and never more than the most', () => {
  let takenBytes = 0;
  const gathered = new GatheredBytes({
    mostBytes: 1_000,
    take(bytes) {
      takenBytes += bytes;
      return true;
    },
  });
  for (let length = 1; length <= 1_000; length++) {
    gathered.add(Buffer.from('x'));
    assert.ok(takenBytes <= 2 * length && takenBytes <= 1_000, `${takenBytes} for ${length}`);
  }
});

test('what there is no memory for is not added', () => {
  const gathered = new GatheredBytes({ mostBytes: 100, take: (bytes) => bytes <= 4 });
  assert.ok(gathered.add(Buffer.from('abcd')));
  assert.equal(gathered.add(Buffer.from('efghi')), false);
  assert.equal(gathered.bytes.toString(), 'abcd');
});
