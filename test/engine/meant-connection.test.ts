import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionSettings } from '../../src/core/connection.ts';
import type { TeamConnection } from '../../src/core/team-connections.ts';
import { meantConnection } from '../../src/engine/meant-connection.ts';

const namespace = 'shop';

function configured(name: string, changes: Partial<ConnectionSettings> = {}): ConnectionSettings {
  const allow = { namespaces: ['*'] };
  return { name, type: 'github', allow, isDefault: false, options: {}, place: 'aftersync.yaml:3', ...changes };
}

function own(name: string, changes: Partial<TeamConnection> = {}): TeamConnection {
  return {
    ...configured(name),
    namespace,
    allow: { namespaces: [namespace] },
    place: `Secret shop/${name}`,
    ...changes,
  };
}

const ofOthers = { allow: { namespaces: ['blog'] } };
const asDefault = { isDefault: true };
const broken = { mistake: 'no YAML' };
const twice = 'connection a is there twice: aftersync.yaml:3 and Secret shop/a; rename one of them';

/** The place of the one that is meant, or why there is none. */
const table: readonly (readonly [
  title: string,
  name: string | undefined,
  configured: readonly ConnectionSettings[],
  own: readonly TeamConnection[],
  meant: string,
])[] = [
  ['a name of the namespace', 'b', [configured('a')], [own('b')], 'Secret shop/b'],
  ['a name of the configuration', 'a', [configured('a')], [own('b')], 'aftersync.yaml:3'],
  ['a name that both have', 'a', [configured('a')], [own('a')], twice],
  ['a name that the configuration has for others', 'a', [configured('a', ofOthers)], [own('a')], 'Secret shop/a'],
  [
    'a name that nobody has',
    'c',
    [configured('a')],
    [own('b')],
    'there is no github connection named c; there are: a, b',
  ],
  ['a name where there is none at all', 'c', [], [], 'no github connection is configured, so there is none named c'],
  ['the only one, of the namespace', undefined, [], [own('b')], 'Secret shop/b'],
  ['the only one, of the configuration', undefined, [configured('a')], [], 'aftersync.yaml:3'],
  [
    'the only one, though for others: its refusal says so',
    undefined,
    [configured('a', ofOthers)],
    [],
    'aftersync.yaml:3',
  ],
  ['the only one that serves the namespace', undefined, [configured('a', ofOthers)], [own('b')], 'Secret shop/b'],
  [
    'none of two',
    undefined,
    [configured('a')],
    [own('b')],
    'several github connections are configured and none is the default; name one of: b, a',
  ],
  ['the default of the configuration', undefined, [configured('a', asDefault)], [own('b')], 'aftersync.yaml:3'],
  ['the default of the namespace', undefined, [configured('a')], [own('b', asDefault)], 'Secret shop/b'],
  ['of two defaults the nearer one', undefined, [configured('a', asDefault)], [own('b', asDefault)], 'Secret shop/b'],
  ['a default whose name both have', undefined, [configured('a')], [own('a', asDefault)], twice],
  ['perhaps one that cannot be read', undefined, [configured('a', asDefault)], [own('b', broken)], 'Secret shop/b'],
  [
    'none where there is none',
    undefined,
    [],
    [],
    'no github connection is configured; add one under connections in the configuration',
  ],
];

for (const [title, name, inConfiguration, inNamespace, expected] of table) {
  test(`${name === undefined ? 'no name' : 'a name'} means ${title}`, () => {
    const use = { family: 'github', claims: {}, ...(name !== undefined && { name }) } as const;
    const meant = meantConnection(use, { configured: inConfiguration, own: inNamespace, namespace, templates: [] });
    assert.equal(typeof meant === 'string' ? meant : meant.place, expected);
  });
}
