import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { disagreement, fixedProperties } from '../../../src/origins/kubevela/agreement.ts';
import type { DeclaredStep } from '../../../src/origins/kubevela/declaration.ts';
import { declaredSteps } from '../../../src/origins/kubevela/declaration.ts';
import { chooseSeed, type SeededRandom, seededRandom } from '../../support/seeded-random.ts';

const noAuthority = { authorityOf: () => [], authorityFromInputs: [] };

function declared(properties: JsonObject | undefined, ...parameterKeys: readonly string[]): DeclaredStep {
  const inputs = parameterKeys.map((parameterKey) => ({ from: 'earlier', parameterKey }));
  const [step] = declaredSteps([{ name: 'smoke', type: 'any', inputs, ...(properties && { properties }) }]);
  return step as DeclaredStep;
}

const request = (params: JsonObject) => ({ step: 'any', with: params });

/** Undefined, or the difference that is named. */
function differing(asked: JsonObject, step: DeclaredStep): string | undefined {
  const words = disagreement(request(asked), step, noAuthority);
  return words?.replace('asks for something else than it declares: ', '');
}

describe('the request must be what is declared:', () => {
  const table: readonly (readonly [
    title: string,
    declared: JsonObject | undefined,
    asked: JsonObject,
    named?: string,
  ])[] = [
    ['the same in another order', { a: 1, b: { c: [1, 'x', null, true] } }, { b: { c: [1, 'x', null, true] }, a: 1 }],
    ['no properties and no parameters', undefined, {}],
    ['another text', { ref: 'main' }, { ref: 'next' }, '/ref is "main" in the declaration, "next" in the request'],
    ['one that is missing', { ref: 'main' }, {}, '/ref is "main" in the declaration, nothing in the request'],
    ['one more', {}, { soft: true }, '/soft is nothing in the declaration, true in the request'],
    ['a number in place of its text', { a: 1 }, { a: '1' }, '/a is 1 in the declaration, "1" in the request'],
    ['null in place of nothing', {}, { a: null }, '/a is nothing in the declaration, null in the request'],
    [
      'an empty object in place of nothing',
      {},
      { a: {} },
      '/a is nothing in the declaration, an object in the request',
    ],
    ['an object in place of a list', { a: [] }, { a: {} }, '/a is a list in the declaration, an object in the request'],
    [
      'another order of a list',
      { a: ['x', 'y'] },
      { a: ['y', 'x'] },
      '/a/0 is "x" in the declaration, "y" in the request',
    ],
    ['a longer list', { a: ['x'] }, { a: ['x', 'y'] }, '/a/1 is nothing in the declaration, "y" in the request'],
    ['a shorter list', { a: ['x', 'y'] }, { a: ['x'] }, '/a/1 is "y" in the declaration, nothing in the request'],
    ['the first of several', { b: 1, a: 1 }, { b: 2, a: 2 }, '/a is 1 in the declaration, 2 in the request'],
    [
      'deep, with signs in its name that pointers escape',
      { a: { '~b/c': 1 } },
      { a: { '~b/c': 2 } },
      '/a/~0b~1c is 1 in the declaration, 2 in the request',
    ],
    [
      'one that objects have of themselves, declared',
      { toString: 1 },
      {},
      '/toString is 1 in the declaration, nothing in the request',
    ],
    [
      'a name that objects have of themselves',
      {},
      { toString: 1 },
      '/toString is nothing in the declaration, 1 in the request',
    ],
  ];
  for (const [title, properties, asked, named] of table) {
    test(title, () => assert.equal(differing(asked, declared(properties)), named));
  }

  test('what is long is not shown', () => {
    const secret = 'ghp_'.repeat(20);
    const words = differing({ inputs: { token: secret } }, declared({ inputs: { token: `${secret}x` } }));
    assert.equal(
      words,
      '/inputs/token is a text of 81 characters in the declaration, a text of 80 characters in the request',
    );
  });

  test('what stands beside the parameters is declared among the properties', () => {
    const step = declared({ ref: 'main', timeout: '10m', failurePolicy: 'ignore', onChange: { component: 'web' } });
    const asked = { ...request({ ref: 'main' }), timeout: '10m', onChange: { component: 'web' } };
    assert.equal(disagreement({ ...asked, failurePolicy: 'ignore' }, step, noAuthority), undefined);
    assert.match(
      disagreement(asked, step, noAuthority) ?? '',
      /\/failurePolicy is "ignore" in the declaration, nothing in the request$/,
    );
    const readyWhen = { object: { kind: 'Deployment', name: 'web' } };
    assert.match(
      disagreement({ ...asked, failurePolicy: 'ignore', readyWhen }, step, noAuthority) ?? '',
      /\/readyWhen is nothing in the declaration, an object in the request$/,
    );
  });

  test('where aftersync is reached is not in the request', () => {
    assert.equal(
      differing({ ref: 'main' }, declared({ ref: 'main', executor: 'http://aftersync.other:8080' })),
      undefined,
    );
  });
});

describe('what inputs feed is compared with nothing:', () => {
  const fed = 'whatever came';
  const table: readonly (readonly [
    key: string,
    declared: JsonObject | undefined,
    asked: JsonObject,
    named?: string,
  ])[] = [
    ['ref', { repository: 'acme/shop' }, { repository: 'acme/shop', ref: fed }],
    ['ref', { ref: 'placeholder' }, { ref: fed }],
    ['ref', undefined, { ref: fed }],
    ['ref', {}, {}],
    ['inputs.version', {}, { inputs: { version: fed } }],
    ['inputs.version', { inputs: {} }, { inputs: { version: fed } }],
    ['inputs.version', { inputs: { version: 'x', to: 'y' } }, { inputs: { version: fed, to: 'y' } }],
    [
      'inputs.version',
      { inputs: { to: 'y' } },
      { inputs: { version: fed, to: 'z' } },
      '/inputs/to is "y" in the declaration, "z" in the request',
    ],
    ['inputs."my-version"', { inputs: { 'my-version': '' } }, { inputs: { 'my-version': fed } }],
    ['urls[0]', { urls: ['a', 'b'] }, { urls: [fed, 'b'] }],
    ['urls[3]', { urls: ['a'] }, { urls: ['a', {}, {}, fed] }],
    [
      'urls[0]',
      { urls: ['a'], tags: ['x'] },
      { urls: [fed], tags: ['y'] },
      '/tags/0 is "x" in the declaration, "y" in the request',
    ],
    ['a.b.c', {}, { a: { b: { c: fed } } }],
    ['a.b', { a: 5 }, { a: 6 }, '/a is 5 in the declaration, 6 in the request'],
    ['a-b', { 'a-b': 'x' }, { 'a-b': fed }, `/a-b is "x" in the declaration, ${JSON.stringify(fed)} in the request`],
    ['', { a: 'x' }, { a: fed }, `/a is "x" in the declaration, ${JSON.stringify(fed)} in the request`],
  ];
  for (const [key, properties, asked, named] of table) {
    const title = `${JSON.stringify(key)} in ${JSON.stringify(properties)}${named === undefined ? '' : ', and no more than that'}`;
    test(title, () => assert.equal(differing(asked, declared(properties, key)), named));
  }

  // KubeVela makes a field of it whose name has the quotes in it (tried on the engine's own code).
  test('a quoted name that is not declared is another field, with the quotes in its name', () => {
    const asked = { inputs: { '"my-version"': fed } };
    assert.match(
      differing(asked, declared({}, 'inputs."my-version"')) ?? '',
      /^\/inputs is nothing in the declaration/,
    );
  });

  test('and is not in what identifies the step', () => {
    const step = declared(
      { ref: 'x', inputs: { version: 'y' }, urls: ['z'], soft: true, executor: 'here' },
      'ref',
      'inputs.version',
      'urls[0]',
    );
    assert.deepEqual(fixedProperties(step), { soft: true });
  });
});

describe('what carries authority does not come from an input:', () => {
  const policy = {
    authorityOf: () => ['/repository', '/readyWhen/object/kind'],
    authorityFromInputs: [] as readonly string[],
  };
  const table: readonly (readonly [key: string, field: string | undefined])[] = [
    ['repository', '/repository'],
    ['"repository"', '/repository'],
    ['repository.name', '/repository'],
    ['repository[0]', '/repository'],
    ['readyWhen', '/readyWhen/object/kind'],
    ['readyWhen.object', '/readyWhen/object/kind'],
    ['readyWhen["object"].kind', '/readyWhen/object/kind'],
    ['readyWhen.object.kind.x', '/readyWhen/object/kind'],
    ['readyWhen.object.name', undefined],
    ['readyWhen.objects', undefined],
    ['repositories', undefined],
    ['ref', undefined],
  ];
  for (const [key, field] of table) {
    test(`${key}: ${field === undefined ? 'may' : 'may not'}`, () => {
      const words = disagreement(request({}), declared({}, key), policy);
      if (field === undefined) assert.equal(words, undefined);
      else assert.ok(words?.includes(`kubevela.authorityFromInputs: ["any${field}"]`), words);
    });
  }

  test('but by policy, for each such field that it reaches', () => {
    const step = declared({}, 'repository', 'readyWhen.object');
    const asked = request({ repository: 'acme/other' });
    assert.ok(disagreement(asked, step, { ...policy, authorityFromInputs: ['other/repository'] }));
    assert.match(
      disagreement(asked, step, { ...policy, authorityFromInputs: ['any/repository'] }) ?? '',
      /\["any\/readyWhen\/object\/kind"\]/,
    );
    const allowed = ['any/repository', 'any/readyWhen/object/kind'];
    assert.equal(disagreement(asked, step, { ...policy, authorityFromInputs: allowed }), undefined);
  });
});

test('any declaration agrees with what KubeVela makes of it, and with nothing else', (context) => {
  const seed = chooseSeed();
  context.diagnostic(`AFTERSYNC_TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 3_000; round += 1) {
    const properties = randomObject(random, 3);
    const keys = Array.from({ length: random.below(3) }, () => randomPath(random));
    const step = declared(properties, ...keys.map((path) => path.join('.')));
    const asked = keys.reduce((object, path) => set(object, path, `fed ${random.below(9)}`), properties);
    assert.equal(differing(asked, step), undefined, JSON.stringify({ properties, keys, asked }));

    const path = randomPath(random);
    const other = set(asked, path, 'changed');
    const isFed = keys.some((key) => key.every((name, index) => name === path[index]));
    if (isFed || isDeepStrictEqual(other, asked)) continue;
    assert.ok(differing(other, step), JSON.stringify({ properties, keys, other }));
  }
});

type Path = readonly string[];
const names = ['a', 'b', 'c', 'd'] as const;

function randomObject(random: SeededRandom, depth: number): JsonObject {
  const entries = Array.from({ length: random.below(4) }, () => [random.pick(names), randomJson(random, depth - 1)]);
  return Object.fromEntries(entries);
}

function randomJson(random: SeededRandom, depth: number): Json {
  if (depth > 0 && random.chance(0.5)) return randomObject(random, depth);
  if (depth > 0 && random.chance(0.2))
    return Array.from({ length: random.below(3) }, () => randomJson(random, depth - 1));
  return random.pick<Json>(['text', 'other', 1, 2.5, true, false, null]);
}

function randomPath(random: SeededRandom): Path {
  return Array.from({ length: 1 + random.below(3) }, () => random.pick(names));
}

/** As SetValueByScript of kubevela/workflow: it makes objects where nothing stands, and fails where something else does. */
function set(object: JsonObject, [name = '', ...rest]: Path, value: Json): JsonObject {
  if (rest.length === 0) return { ...object, [name]: value };
  const inner = object[name] ?? {};
  const isObject = typeof inner === 'object' && !Array.isArray(inner) && object[name] !== null;
  return isObject ? { ...object, [name]: set(inner as JsonObject, rest, value) } : object;
}
