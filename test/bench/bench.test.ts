import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median } from './alternate.ts';
import { type Bench, type Bound, type Measurement, toResult } from './bench.ts';

function bench(bound: Bound): Bench {
  return { title: 'a bench', unit: 'ms', bound, measure: () => Promise.reject(new Error('not measured here')) };
}

for (const { title, bound, measured, verdict, words } of [
  {
    title: 'a ratio that reaches its bound',
    bound: { of: 'ratio', direction: 'at least', limit: 1.2 },
    measured: { value: 12, reference: 10 },
    verdict: 'ok',
    words: 'ratio >= 1.2',
  },
  {
    title: 'a ratio below its bound',
    bound: { of: 'ratio', direction: 'at least', limit: 1.2 },
    measured: { value: 11.9, reference: 10 },
    verdict: 'missed',
    words: 'ratio >= 1.2',
  },
  {
    title: 'a ratio above the most that it may be',
    bound: { of: 'ratio', direction: 'at most', limit: 2.5 },
    measured: { value: 251, reference: 100 },
    verdict: 'missed',
    words: 'ratio <= 2.5',
  },
  {
    title: 'a value at its bound',
    bound: { of: 'value', direction: 'at most', limit: 2_000 },
    measured: { value: 2_000 },
    verdict: 'ok',
    words: '<= 2000 ms',
  },
  {
    title: 'a ratio without a reference',
    bound: { of: 'ratio', direction: 'at most', limit: 2.5 },
    measured: { value: 1 },
    verdict: 'missed',
    words: 'ratio <= 2.5',
  },
] satisfies { title: string; bound: Bound; measured: Measurement; verdict: string; words: string }[]) {
  test(`${title} is ${verdict}`, () => {
    const result = toResult('one', bench(bound), measured);
    assert.equal(result.verdict, verdict);
    assert.equal(result.bound, words);
  });
}

test('a result holds value, reference and their ratio, and null where there is no reference', () => {
  const bound: Bound = { of: 'value', direction: 'at most', limit: 1 };
  const { value, reference, ratio } = toResult('one', bench(bound), { value: 30_000.4, reference: 20_000 });
  assert.deepEqual({ value, reference, ratio }, { value: 30_000, reference: 20_000, ratio: 1.5 });
  const alone = toResult('one', bench(bound), { value: 283.9123 });
  assert.deepEqual([alone.value, alone.reference, alone.ratio], [283.9, null, null]);
});

test('the median is the middle one, or lies between the middle two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 7]), 6);
  assert.equal(median([3]), 3);
});
