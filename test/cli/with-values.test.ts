import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mergeWithValues } from '../../src/cli/with-values.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';

describe('--with reads a value as', () => {
  const table: readonly (readonly [text: string, value: Json])[] = [
    ['prod', 'prod'],
    ['', ''],
    ['true', true],
    ['false', false],
    ['null', null],
    ['3', 3],
    ['-0.5e3', -500],
    ['007', '007'],
    ['1.2.3', '1.2.3'],
    ['12345678901234567890', '12345678901234567890'],
    ['yes', 'yes'],
    ['~', '~'],
    ['Deploy: done # really', 'Deploy: done # really'],
    ['*.png', '*.png'],
    ['a=b', 'a=b'],
    ['["a",{"b":1}]', ['a', { b: 1 }]],
    ['[shop, cart]', ['shop', 'cart']],
    ['{env: prod, n: 2}', { env: 'prod', n: 2 }],
    ['"3"', '3'],
    ["'true'", 'true'],
  ];
  for (const [text, value] of table) {
    test(`${JSON.stringify(text)}: ${JSON.stringify(value)}`, async () => {
      assert.deepEqual(await mergeWithValues({}, [`key=${text}`]), { key: value });
    });
  }
});

describe('--with builds', () => {
  const table: readonly (readonly [title: string, base: JsonObject, pairs: readonly string[], merged: JsonObject])[] = [
    ['nothing of nothing', {}, [], {}],
    ['objects from dots', {}, ['inputs.env=prod', 'inputs.n=1'], { inputs: { env: 'prod', n: 1 } }],
    [
      'keys with dots from escaped ones',
      {},
      ['labels.app\\.kubernetes\\.io/name=x'],
      { labels: { 'app.kubernetes.io/name': 'x' } },
    ],
    ['lists item by item', {}, ['urls[]=a', 'urls[]=b'], { urls: ['a', 'b'] }],
    ['lists inside objects', {}, ['a.b[]=1', 'a.b[]=2'], { a: { b: [1, 2] } }],
    [
      'upon the file, whose other keys stay',
      { ref: 'main', inputs: { a: 1, b: 2 } },
      ['inputs.b=3'],
      { ref: 'main', inputs: { a: 1, b: 3 } },
    ],
    ['upon the lists of the file', { urls: ['a'] }, ['urls[]=b'], { urls: ['a', 'b'] }],
    ['a new value in place of the file’s', { urls: ['a'] }, ['urls=["b"]'], { urls: ['b'] }],
    ['a list that is given whole and then added to', {}, ['urls=["a"]', 'urls[]=b'], { urls: ['a', 'b'] }],
  ];
  for (const [title, base, pairs, merged] of table) {
    test(title, async () => assert.deepEqual(await mergeWithValues(base, pairs), merged));
  }

  test('a key of its own from __proto__, and touches no prototype', async () => {
    const merged = await mergeWithValues({}, ['__proto__.polluted=1']);
    assert.deepEqual(Object.keys(merged), ['__proto__']);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  test('leaves what it was given as it was', async () => {
    const base = { inputs: { a: 1 }, urls: ['a'] };
    await mergeWithValues(base, ['inputs.a=2', 'urls[]=b']);
    assert.deepEqual(base, { inputs: { a: 1 }, urls: ['a'] });
  });
});

describe('--with refuses', () => {
  const table: readonly (readonly [title: string, base: JsonObject, pairs: readonly string[], message: string])[] = [
    ['what has no =', {}, ['env'], '--with expects key=value, found "env"'],
    ['what has no key', {}, ['=prod'], '--with expects key=value, found "=prod"'],
    ['an empty key on the way', {}, ['a..b=1'], '--with expects a key before the =, found "a..b=1"'],
    ['only brackets', {}, ['[]=1'], '--with expects a key before the =, found "[]=1"'],
    ['the same key twice', {}, ['tag=a', 'tag=b'], '--with tag is given twice'],
    ['keys below a value', {}, ['a=1', 'a.b=2'], '--with a.b=2: a holds a value, which has no keys below it'],
    ['keys below a list', { a: [1] }, ['a.b=2'], '--with a.b=2: a holds a value, which has no keys below it'],
    [
      'items of what is no list',
      { a: 'x' },
      ['a[]=2'],
      '--with a[]=2: what stands there is no list, so nothing can be added to it',
    ],
    [
      'broken JSON',
      {},
      ['urls=["a"'],
      '--with urls=["a": column 5 of the value: no YAML: Flow sequence must end with a ]',
    ],
  ];
  for (const [title, base, pairs, message] of table) {
    test(title, async () => {
      await assert.rejects(mergeWithValues(base, pairs), { name: 'CommandError', exitCode: 2, message });
    });
  }
});
