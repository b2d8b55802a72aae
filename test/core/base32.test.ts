import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBase32 } from '../../src/core/base32.ts';

// RFC 4648, section 10, in lower case and without padding.
for (const [text, expected] of [
  ['', ''],
  ['f', 'my'],
  ['fo', 'mzxq'],
  ['foo', 'mzxw6'],
  ['foob', 'mzxw6yq'],
  ['fooba', 'mzxw6ytb'],
  ['foobar', 'mzxw6ytboi'],
] as const) {
  test(`${JSON.stringify(text)} is ${JSON.stringify(expected)} in base32`, () => {
    assert.equal(toBase32(Buffer.from(text)), expected);
  });
}

test('bytes with the highest bit set lose nothing', () => {
  assert.equal(toBase32(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff)), '77777777');
  assert.equal(toBase32(Uint8Array.of(0x80)), 'qa');
});
