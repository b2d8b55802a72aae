import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGlob } from '../../src/core/glob.ts';
import { chooseSeed, type SeededRandom, seededRandom } from '../support/seeded-random.ts';

for (const [pattern, text, expected] of [
  ['acme/*', 'acme/shop', true],
  ['acme/*', 'acme/', true],
  ['acme/*', 'acme2/web', false],
  ['shop-*', 'shop-', true],
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['?', '', false],
  ['a?c', 'abc', true],
  ['*.example.com', 'example.com', false],
  ['A', 'a', false],
  ['a.c', 'abc', false],
] as const) {
  test(`${JSON.stringify(pattern)} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
    assert.equal(matchesGlob(pattern, text), expected);
  });
}

function word(random: SeededRandom, letters: readonly [string, ...string[]], most: number): string {
  return Array.from({ length: random.below(most + 1) }, () => random.pick(letters)).join('');
}

/** What a pattern means, said by a regular expression. */
function oracle(pattern: string, text: string): boolean {
  const source = pattern.replace(/[.+]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

test('agrees with a regular expression on random patterns and texts', (context) => {
  const seed = chooseSeed();
  context.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  let matches = 0;
  for (let round = 0; round < 50_000; round++) {
    const pattern = word(random, ['a', 'b', '.', '*', '?'], 7);
    const text = word(random, ['a', 'b', '.', '\n'], 8);
    const expected = oracle(pattern, text);
    assert.equal(matchesGlob(pattern, text), expected, `seed ${seed}: ${JSON.stringify({ pattern, text })}`);
    if (expected) matches += 1;
  }
  assert.ok(matches > 500, `only ${matches} matches: the test would not notice a pattern that never matches`);
});

test('a pattern that is hard for backtracking matchers takes no longer than others', () => {
  const startedAt = performance.now();
  assert.equal(matchesGlob(`${'*a'.repeat(500)}b`, 'a'.repeat(5_000)), false);
  // They would take years.
  assert.ok(performance.now() - startedAt < 60_000);
});
