import assert from 'node:assert/strict';
import { test } from 'node:test';
import { positionOfJsonError } from '../../src/http/json-position.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';

test('the place is the start of what does not fit, or the end of what is not finished', () => {
  for (const [text, line, column] of [
    ['', 1, 1],
    [' \n ', 2, 2],
    ['x', 1, 1],
    ['{"a":1,}', 1, 8],
    ['{"a" 1}', 1, 6],
    ['{a:1}', 1, 2],
    ['[1 2]', 1, 4],
    ['[1,]', 1, 4],
    ['[01]', 1, 3],
    ['[1.]', 1, 3],
    ['[+1]', 1, 2],
    ['[1}', 1, 3],
    ['{"a":1]', 1, 7],
    ['"a\nb"', 1, 1],
    ['["\\x"]', 1, 2],
    ['["\\u12"]', 1, 2],
    ['[tru]', 1, 2],
    ['{"a":\n  {"b":\n}}', 3, 1],
    ['[1]]', 1, 4],
    ['[[1]', 1, 5],
    ['\u00a0[]', 1, 1],
  ] as const) {
    assert.throws(() => JSON.parse(text), text);
    assert.deepEqual(positionOfJsonError(text), { line, column }, JSON.stringify(text));
  }
});

test('a mark put before any token of a JSON text is found at its place', (t) => {
  const seed = chooseSeed();
  t.diagnostic(`seed ${seed}`);
  const { below, pick } = seededRandom(seed);
  const value = (depth: number): unknown =>
    pick<() => unknown>([
      () => pick([null, true, -1.5e-7, 'text', '\u007f\u2028"\\', '']),
      () => (depth > 4 ? 0 : Array.from({ length: below(4) }, () => value(depth + 1))),
      () =>
        depth > 4 ? 0 : Object.fromEntries(Array.from({ length: below(4) }, (_, i) => [`k${i}`, value(depth + 1)])),
    ])();
  for (let round = 0; round < 500; round++) {
    const text = JSON.stringify(value(0), null, pick([0, 1, '\t']));
    const tokenStarts = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[-\w.+]+|[^\s]/g)].map(({ index }) => index);
    const place = tokenStarts[below(tokenStarts.length)] ?? 0;
    const before = text.slice(0, place);
    const expected = { line: before.split('\n').length, column: place - before.lastIndexOf('\n') };
    assert.deepEqual(
      positionOfJsonError(`${before}@${text.slice(place)}`),
      expected,
      `seed ${seed}, ${text} at ${place}`,
    );
  }
});

test('a deep text does not overflow the stack', () => {
  assert.deepEqual(positionOfJsonError('['.repeat(260_000)), { line: 1, column: 260_001 });
});
