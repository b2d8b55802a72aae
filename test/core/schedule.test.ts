import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Schedule, type Scheduled } from '../../src/core/schedule.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';

interface Item extends Scheduled {
  readonly name: number;
}

function item(name: number): Item {
  return { name, at: 0, position: -1 };
}

test('whatever is set, moved, removed and waited for, what fires is what a sorted list says', (context) => {
  const seed = chooseSeed();
  context.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const clock = new ManualClock(0);
  const fired: { at: number; now: number; name: number }[] = [];
  const schedule = new Schedule<Item>(clock, ({ at, name }) => void fired.push({ at, now: clock.now(), name }));
  schedule.start();
  const items = Array.from({ length: 60 }, (_, name) => item(name));
  /** The oracle: who is to fire when. */
  const expected = new Map<Item, number>();

  for (let round = 0; round < 5_000; round++) {
    const chosen = items[random.below(items.length)] as Item;
    const what = `seed ${seed}, round ${round}`;
    if (random.chance(0.6)) {
      // Never in the past, which would fire within the call.
      const at = clock.now() + 1 + random.below(100);
      schedule.set(chosen, at);
      expected.set(chosen, at);
    } else if (random.chance(0.5)) {
      schedule.remove(chosen);
      expected.delete(chosen);
    } else {
      fired.length = 0;
      clock.advance(random.below(40));
      const due = [...expected].filter(([, at]) => at <= clock.now()).sort(([, a], [, b]) => a - b);
      for (const [dueItem] of due) expected.delete(dueItem);
      const times = (list: readonly { at: number }[]) => list.map(({ at }) => at);
      assert.deepEqual(times(fired), times(due.map(([, at]) => ({ at }))), what);
      assert.deepEqual(fired.map(({ name }) => name).sort(), due.map(([{ name }]) => name).sort(), what);
      for (const { at, now } of fired) assert.equal(now, at, `${what}: fired in time`);
    }
    assert.equal(schedule.size, expected.size, what);
  }
});

test('an item that is due already fires at once', () => {
  const clock = new ManualClock();
  const fired: Item[] = [];
  const schedule = new Schedule<Item>(clock, (due) => void fired.push(due));
  schedule.start();
  const late = item(1);
  schedule.set(late, clock.now() - 1);
  assert.deepEqual(fired, [late]);
  assert.equal(schedule.size, 0);
});

test('nothing fires before the start or after the stop, and nothing is lost by either', () => {
  const clock = new ManualClock();
  const fired: Item[] = [];
  const schedule = new Schedule<Item>(clock, (due) => void fired.push(due));
  const [first, second] = [item(1), item(2)];
  schedule.set(first, clock.now() + 10);
  clock.advance(20);
  assert.deepEqual(fired, []);
  schedule.start();
  assert.deepEqual(fired, [first]);
  schedule.set(second, clock.now() + 10);
  schedule.stop();
  clock.advance(20);
  assert.deepEqual(fired, [first]);
  schedule.start();
  assert.deepEqual(fired, [first, second]);
});

test('a removed item does not fire, and removing it again changes nothing', () => {
  const clock = new ManualClock();
  const fired: Item[] = [];
  const schedule = new Schedule<Item>(clock, (due) => void fired.push(due));
  schedule.start();
  const gone = item(1);
  schedule.set(gone, clock.now() + 10);
  schedule.remove(gone);
  schedule.remove(gone);
  clock.advance(20);
  assert.deepEqual(fired, []);
});

test('a clock that is put forward, as by a suspend, delays nothing by more than a minute', () => {
  const elapsed = new ManualClock(0);
  let jumpedMs = 0;
  // Timers count what elapses, and know nothing of the jump.
  const clock = {
    now: () => elapsed.now() + jumpedMs,
    at: (time: number, callback: () => void) => elapsed.at(time - jumpedMs, callback),
  };
  const fired: Item[] = [];
  const schedule = new Schedule<Item>(clock, (due) => void fired.push(due));
  schedule.start();
  const late = item(1);
  schedule.set(late, 3_600_000);
  jumpedMs = 3_600_000;
  elapsed.advance(60_000);
  assert.deepEqual(fired, [late]);
});
