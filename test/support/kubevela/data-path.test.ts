import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../../../src/core/json.ts';
import { fillIn, lookUp, parsePath } from './data-path.ts';

describe('paths', () => {
  const paths: readonly (readonly [string, readonly (string | number)[] | undefined])[] = [
    ['a', ['a']],
    ['a.b.c', ['a', 'b', 'c']],
    ['a["b-c"].d', ['a', 'b-c', 'd']],
    ['a."b.c"[0]', ['a', 'b.c', 0]],
    ['output.$returns.value', ['output', '$returns', 'value']],
    ['a-b', undefined],
    ['a.["b"]', undefined],
    ['a._hidden', undefined],
    ['', undefined],
  ];
  for (const [path, parts] of paths) {
    test(`${JSON.stringify(path)} is ${JSON.stringify(parts) ?? 'none'}`, () =>
      assert.deepEqual(parsePath(path), parts));
  }
});

describe('filling in', () => {
  const fillings: readonly (readonly [string, Json, string, Json])[] = [
    ['replaces what stands there', { a: 1, b: 2 }, 'a', { a: 'x', b: 2 }],
    ['makes structs on the way', {}, 'a.b', { a: { b: 'x' } }],
    ['replaces an element', { a: [1, 2] }, 'a[1]', { a: [1, 'x'] }],
    ['fills a list up with empty structs', { a: [1] }, 'a[2]', { a: [1, {}, 'x'] }],
    ['makes a field of an index into what is not there', {}, 'a[0]', { a: { 0: 'x' } }],
    ['reaches into an element', { a: [{ b: 1 }] }, 'a[0].b', { a: [{ b: 'x' }] }],
  ];
  for (const [what, value, path, filled] of fillings) {
    test(what, () => assert.deepEqual(fillIn(value, parsePath(path) ?? [], 'x'), filled));
  }

  test('refuses a field of a list, and a place in what is no struct', () => {
    assert.throws(() => fillIn({ a: [1] }, ['a', 'b'], 'x'), /invalid key type of b/);
    assert.throws(() => fillIn({ a: 'text' }, ['a', 'b'], 'x'), /cannot fill in b/);
  });
});

test('looking up finds what is an own field, and nothing else', () => {
  const value = { a: { b: [{ c: null }] } };
  assert.equal(lookUp(value, ['a', 'b', 0, 'c']), null);
  for (const path of [['a', 'x'], ['a', 'b', 1], ['constructor'], undefined])
    assert.equal(lookUp(value, path), undefined);
});
