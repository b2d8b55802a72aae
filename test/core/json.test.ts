import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { digestOf, isJsonObject, type Json, jsonBytes } from '../../src/core/json.ts';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

test('the digest is that of the canonical form in the example of RFC 8785, section 3.2.3', () => {
  const sample = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
  ) as Json;
  const canonical =
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}';
  assert.equal(digestOf(sample), sha256(canonical));
});

test('the order of keys and the spelling of numbers make no difference, at any depth', () => {
  const one = JSON.parse('{"a":1,"b":{"c":[1,2],"d":1.0}}') as Json;
  const other = JSON.parse('{ "b": { "d": 1, "c": [1, 2] }, "a": 1e0 }') as Json;
  assert.equal(digestOf(one), digestOf(other));
});

for (const [title, one, other] of [
  ['the order of a list', [1, 2], [2, 1]],
  ['a number and its text', { a: 1 }, { a: '1' }],
  ['an absent key and null', {}, { a: null }],
  ['null and an empty object', null, {}],
] satisfies [string, Json, Json][]) {
  test(`different digests for ${title}`, () => {
    assert.notEqual(digestOf(one), digestOf(other));
  });
}

test('a key without a value counts as absent, as in JSON text', () => {
  assert.equal(digestOf({ a: 1, b: undefined }), digestOf({ a: 1 }));
});

test('bytes are counted in UTF-8', () => {
  assert.equal(jsonBytes('€'), 5);
  assert.equal(jsonBytes({ a: [1] }), '{"a":[1]}'.length);
});

test('only an object is a JSON object', () => {
  assert.deepEqual([{}, [], null, 'a', 1, undefined].map(isJsonObject), [true, false, false, false, false, false]);
});
