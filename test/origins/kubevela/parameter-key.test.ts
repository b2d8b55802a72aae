import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fieldFedBy } from '../../../src/origins/kubevela/parameter-key.ts';
import { chooseSeed, seededRandom } from '../../support/seeded-random.ts';

// What SetValueByScript of kubevela/workflow (56b80cee4121, CUE 0.9.2), which KubeVela 1.10.9 is built with, does with each.
describe('an input feeds what KubeVela sets:', () => {
  const table: readonly (readonly [key: string, path: readonly string[]])[] = [
    ['a', ['a']],
    ['a.b', ['a', 'b']],
    [' a ', ['a']],
    ['a . b', ['a', 'b']],
    ['a.\nb', ['a', 'b']],
    ['a_1.$b', ['a_1', '$b']],
    ['ä', ['ä']],
    ['"a-b".c', ['a-b', 'c']],
    ['x."a-b"', ['x', 'a-b']],
    ['x["a-b"].c', ['x', 'a-b', 'c']],
    ['"a.b"', ['a.b']],
    ['"a\\"b"', ['a"b']],
    ['"\\u0061"', ['a']],
    ['"😀"', ['😀']],
    ['a."if"', ['a', 'if']],
    ['import', ['import']],
  ];
  for (const [key, path] of table) test(JSON.stringify(key), () => assert.deepEqual(fieldFedBy(key), path));
});

describe('an index exempts its whole list, for KubeVela pads it:', () => {
  for (const key of ['urls[0]', 'urls [ 12 ]', 'urls[0].a', 'urls[0][1]', 'urls[3]["a-b"].c']) {
    test(key, () => assert.deepEqual(fieldFedBy(key), ['urls']));
  }
});

describe('KubeVela sets nothing by:', () => {
  const keys = [
    [
      '',
      ' ',
      '.a',
      'a.',
      'a..b',
      '[0]',
      'a-b',
      'a b',
      'a?',
      'a!',
      'a(1)',
      'a + b',
      'a, b',
      'a[b]',
      'a[-1]',
      'a[00]',
      'a[0:1]',
    ],
    [
      '_a',
      'a._b',
      '__a',
      '#a',
      '_#a',
      '_',
      '0',
      'a.0',
      'if',
      'a.for',
      'null',
      'true',
      "'a'",
      '""',
      'a.""',
      '"a\\(b)"',
      '"a',
    ],
    ['a\n.b'],
  ];
  for (const key of keys.flat()) test(JSON.stringify(key), () => assert.equal(fieldFedBy(key), undefined));
});

test('what CUE reads and we do not feeds nothing, so that the field must be as declared', () => {
  for (const key of ['a[0x1]', 'a//b', 'a[1_0]']) assert.equal(fieldFedBy(key), undefined);
});

test('any path is read back, however it is written', (context) => {
  const seed = chooseSeed();
  context.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
  const { below, chance, pick } = seededRandom(seed);
  const names = ['a', 'repository', 'x1', '$y', 'a-b', 'a.b', 'a[0]', '"', '\\', 'ü ü', '/', '~1', 'if', '0'] as const;
  for (let round = 0; round < 2_000; round += 1) {
    const path: string[] = [];
    let key = '';
    let isInList = false;
    for (let length = 1 + below(5); length > 0; length -= 1) {
      const name = pick(names);
      const space = chance(0.1) ? ' ' : '';
      if (key !== '' && chance(0.2)) {
        key += `[${space}${below(20)}]`;
        isInList = true;
        continue;
      }
      const label = /^[a-z$][a-z0-9]*$/.test(name) && name !== 'if' && chance(0.8) ? name : JSON.stringify(name);
      const inBrackets = key !== '' && label.startsWith('"') && chance(0.5);
      key += inBrackets ? `[${label}${space}]` : `${key === '' ? '' : '.'}${space}${label}`;
      if (!isInList) path.push(name);
    }
    assert.deepEqual(fieldFedBy(key), path, key);
  }
});

test('no text is too odd to be looked at, nor takes long', (context) => {
  const seed = chooseSeed();
  context.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
  const { below, pick } = seededRandom(seed);
  const parts = ['a', '.', '"', '\\', '[', ']', '0', ' ', '\n', '_', '#', '$', '(', 'ü', '\ud800'] as const;
  for (let round = 0; round < 5_000; round += 1) {
    const key = Array.from({ length: below(12) }, () => pick(parts)).join('');
    const path = fieldFedBy(key);
    assert.ok(path === undefined || (path.length > 0 && !path.includes('')), JSON.stringify(key));
  }
  assert.equal(fieldFedBy(`"${'\\"'.repeat(50_000)}`), undefined);
});
