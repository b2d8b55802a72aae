import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TSchema, Type } from '@sinclair/typebox';
import { fits, mistakesOf, withDefaults } from '../../src/core/schema.ts';

const Strict = Type.Object({ a: Type.Integer({ minimum: 1 }) }, { additionalProperties: false });

for (const { title, schema, value, path, message } of [
  {
    title: 'a missing key, once',
    schema: Strict,
    value: {},
    path: '/a',
    message: 'is missing: expected an integer of at least 1',
  },
  { title: 'an unknown key', schema: Strict, value: { a: 1, b: 2 }, path: '/b', message: 'is not a known key' },
  {
    title: 'a wrong type, with what was found',
    schema: Strict,
    value: { a: 'one' },
    path: '/a',
    message: 'expected an integer of at least 1, found "one"',
  },
  {
    title: 'a number below its limit',
    schema: Strict,
    value: { a: 0 },
    path: '/a',
    message: 'expected an integer of at least 1, found 0',
  },
  {
    title: 'how long a text may be',
    schema: Type.Object({ a: Type.String({ minLength: 1, maxLength: 9, pattern: '^[a-z]+$' }) }),
    value: { a: '' },
    path: '/a',
    message: 'expected a string of 1 to 9 characters that matches ^[a-z]+$, found ""',
  },
  {
    title: 'how many items a list may have',
    schema: Type.Object({ a: Type.Array(Type.String(), { maxItems: 1 }) }),
    value: { a: ['x', 'y'] },
    path: '/a',
    message: 'expected an array of at most 1 items, found an array of 2',
  },
  {
    title: 'the choices of a union',
    schema: Type.Object({ a: Type.Union([Type.Literal('x'), Type.Literal('y')]) }),
    value: { a: 'z' },
    path: '/a',
    message: 'expected "x" or "y", found "z"',
  },
  {
    title: "the schema's own words, where it has some",
    schema: Type.Object({ a: Type.String({ pattern: '^[a-z]+$', errorMessage: 'a name' }) }),
    value: { a: '7' },
    path: '/a',
    message: 'expected a name, found "7"',
  },
  {
    title: 'a long text by its length only, for it may be private',
    schema: Type.Object({ a: Type.Integer() }),
    value: { a: 's'.repeat(100) },
    path: '/a',
    message: 'expected an integer, found a string of 100 characters',
  },
  {
    title: 'a list and an object by what they are',
    schema: Type.Object({ a: Type.String() }),
    value: { a: [1, 2] },
    path: '/a',
    message: 'expected a string, found an array of 2',
  },
  { title: 'null', schema: Type.String(), value: null, path: '', message: 'expected a string, found null' },
] satisfies { title: string; schema: TSchema; value: unknown; path: string; message: string }[]) {
  test(`names ${title}`, () => {
    assert.equal(fits(schema, value), false);
    assert.deepEqual(mistakesOf(schema, value), [{ path, message }]);
  });
}

test('names all mistakes at once, each place once', () => {
  const schema = Type.Object({ a: Type.String(), b: Type.Array(Type.Integer()) }, { additionalProperties: false });
  const places = mistakesOf(schema, { b: [1, 'x', 3, 'y'], c: true }).map(({ path }) => path);
  assert.deepEqual(places.sort(), ['/a', '/b/1', '/b/3', '/c']);
});

test('names at most 20 mistakes', () => {
  const items = Array.from({ length: 50 }, String);
  assert.equal(mistakesOf(Type.Array(Type.Integer()), items).length, 20);
});

test('what fits has no mistakes', () => {
  assert.deepEqual(mistakesOf(Strict, { a: 1 }), []);
  assert.equal(fits(Strict, { a: 1 }), true);
});

test('defaults are filled into a copy, and unknown keys stay', () => {
  const schema = Type.Object({ a: Type.Optional(Type.Boolean({ default: true })) });
  const given = { b: 1 };
  assert.deepEqual(withDefaults(schema, given), { a: true, b: 1 });
  assert.deepEqual(given, { b: 1 });
});
