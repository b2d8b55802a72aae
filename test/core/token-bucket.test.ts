import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TokenBucket } from '../../src/core/token-bucket.ts';

const rate = { capacity: 10, perSecond: 2 };

it('a bucket is full at first and refills evenly, up to its capacity', () => {
  const bucket = new TokenBucket(rate, 0);
  assert.equal(bucket.waitMs(10, 0), 0);
  bucket.take(10, 0);
  assert.equal(bucket.waitMs(1, 0), 500);
  assert.equal(bucket.waitMs(4, 500), 1_500);
  assert.equal(bucket.waitMs(10, 60_000), 0);
  bucket.take(10, 60_000);
  assert.equal(bucket.waitMs(10, 60_000), 5_000);
});

it('those who wait queue up behind each other', () => {
  const bucket = new TokenBucket(rate, 0);
  bucket.take(10, 0);
  const waits = [1, 2, 3].map(() => {
    const waitMs = bucket.waitMs(2, 0);
    bucket.take(2, 0);
    return waitMs;
  });
  assert.deepEqual(waits, [1_000, 2_000, 3_000]);
});

it('what is larger than the bucket goes when it is full, and is paid for by those who follow', () => {
  const bucket = new TokenBucket(rate, 0);
  assert.equal(bucket.waitMs(30, 0), 0);
  bucket.take(30, 0);
  assert.equal(bucket.waitMs(1, 0), 10_500);
});

it('after a refusal by the provider there is room for one call at the time that it named, not before', () => {
  const bucket = new TokenBucket(rate, 0);
  bucket.emptyUntil(5_000, 1);
  assert.equal(bucket.waitMs(1, 0), 5_000);
  assert.equal(bucket.waitMs(1, 4_999), 1);
  assert.equal(bucket.waitMs(1, 5_000), 0);
  bucket.take(1, 5_000);
  assert.equal(bucket.waitMs(1, 5_000), 500);
});

it('a clock that is set back neither fills nor blocks it', () => {
  const bucket = new TokenBucket(rate, 100_000);
  bucket.take(9, 100_000);
  assert.equal(bucket.waitMs(1, 40_000), 0);
  bucket.take(1, 40_000);
  assert.equal(bucket.waitMs(1, 40_000), 500);
  assert.equal(bucket.waitMs(1, 40_500), 0);
});
