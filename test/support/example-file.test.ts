import assert from 'node:assert/strict';
import { test } from 'node:test';

import { replaceOnce } from './example-file.ts';

test('what stands there once is replaced, as it is written', () => {
  assert.equal(replaceOnce('listen 80;', '80', '$&1'), 'listen $&1;');
});

test('what stands there not at all, or twice, is an error that says so', () => {
  assert.throws(() => replaceOnce('listen 80;', '8080', '1'), /"8080".*found it 0 times/);
  assert.throws(() => replaceOnce('80 80', '80', '1'), /found it 2 times/);
});
