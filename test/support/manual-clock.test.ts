import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './manual-clock.ts';

test('a manual clock stands still until it is told to advance', () => {
  const clock = new ManualClock(1_000);
  assert.equal(clock.now(), 1_000);
  clock.advance(250);
  assert.equal(clock.now(), 1_250);
});

test('alarms ring in the order of their times, at their times, and those set meanwhile ring too', () => {
  const clock = new ManualClock(0);
  const rung: string[] = [];
  clock.at(20, () => rung.push(`second at ${clock.now()}`));
  clock.at(10, () => {
    rung.push(`first at ${clock.now()}`);
    clock.at(15, () => rung.push(`between at ${clock.now()}`));
  });
  clock.at(31, () => rung.push('not yet'));
  clock.advance(30);
  assert.deepEqual(rung, ['first at 10', 'between at 15', 'second at 20']);
});

test('a cancelled alarm does not ring', () => {
  const clock = new ManualClock(0);
  const cancel = clock.at(10, () => assert.fail('it rang'));
  cancel();
  clock.advance(10);
});
