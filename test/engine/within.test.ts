import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { within } from '../../src/engine/within.ts';
import { ManualClock } from '../support/manual-clock.ts';

const never = new Promise<never>(() => {});

function bench() {
  const clock = new ManualClock();
  const controller = new AbortController();
  const options = { clock, limitMs: 1_000, closing: controller.signal, onLimit: () => new Error('too long') };
  return { clock, controller, options, listeners: () => getEventListeners(controller.signal, 'abort').length };
}

test('work that hangs is given up at the limit, and nothing goes on holding it', async () => {
  const { clock, options, listeners } = bench();
  const given = within(never, options);
  assert.equal(listeners(), 1);
  clock.advance(1_000);
  await assert.rejects(given, /too long/);
  assert.equal(listeners(), 0);
});

test('work that ends in time gives its value, and leaves no timer and no listener', async () => {
  const { clock, options, listeners } = bench();
  let limits = 0;
  const onLimit = () => {
    limits += 1;
    return new Error('too long');
  };
  assert.equal(await within(Promise.resolve(7), { ...options, onLimit }), 7);
  clock.advance(1_000);
  assert.deepEqual([limits, listeners()], [0, 0]);
});

test('closing ends the wait, also where it came first', async () => {
  const { controller, options, listeners } = bench();
  const given = within(never, options);
  controller.abort();
  await assert.rejects(given, /too long/);
  await assert.rejects(within(never, options), /too long/);
  assert.equal(listeners(), 0);
});
