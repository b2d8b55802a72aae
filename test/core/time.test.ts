import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDurationMs, parseDurationMs, systemClock } from '../../src/core/time.ts';

for (const [text, durationMs] of [
  ['500ms', 500],
  ['30s', 30_000],
  ['10m', 600_000],
  ['2h', 7_200_000],
  ['7d', 604_800_000],
  ['1h30m', 5_400_000],
  ['1m500ms', 60_500],
  ['0s', 0],
] as const) {
  test(`${text} is ${durationMs} milliseconds`, () => {
    assert.equal(parseDurationMs(text), durationMs);
  });
}

for (const text of ['', '10', 'm', '10 m', '-1s', '1.5h', '1H', '10m ', 'P1D', '1s!', '99999999999999999d']) {
  test(`${JSON.stringify(text)} is no duration`, () => {
    assert.equal(parseDurationMs(text), undefined);
  });
}

for (const [durationMs, text] of [
  [0, '0ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [90_000, '1m30s'],
  [3_600_000, '1h'],
  [604_800_000, '168h'],
  [3_661_000, '1h1m1s'],
] as const) {
  test(`${durationMs} milliseconds are written as ${text}, which reads as the same`, () => {
    assert.equal(formatDurationMs(durationMs), text);
    assert.equal(parseDurationMs(text), durationMs);
  });
}

test('a time that is further away than a timer can be does not fire at once, and can be cancelled', async () => {
  let fired = false;
  const cancel = systemClock.at(systemClock.now() + 2 ** 40, () => {
    fired = true;
  });
  await new Promise<void>((resolve) => void systemClock.at(systemClock.now() + 5, resolve));
  cancel();
  assert.equal(fired, false);
});
