import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { TSchema } from '@sinclair/typebox';
import { connectionSchema, SettingsSchema } from '../../src/config/settings-schema.ts';
import type { AnyConnectionType } from '../../src/core/connection.ts';
import { cdnConnectionTypes } from '../../src/providers/cdn/index.ts';
import { github } from '../../src/providers/github/connection.ts';
import { kubernetes } from '../../src/providers/kubernetes/connection.ts';

const documentation = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

/** The first cells of the tables between this heading and the next one. */
function keysBelow(heading: string): string[] {
  const start = documentation.indexOf(`\n${heading}\n`);
  assert(start >= 0, `docs/configuration.md has no heading ${heading}`);
  const section = documentation.slice(start + 1).split(/\n#+ /)[0] ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, key]) => key ?? '');
}

/** `a.b` for each key that holds no further ones. */
function leaves(schema: TSchema, path = ''): string[] {
  const properties = Object.entries<TSchema>(schema.properties ?? {});
  if (properties.length === 0) return [path];
  return properties.flatMap(([key, below]) => leaves(below, path === '' ? key : `${path}.${key}`));
}

/** What a connection of the type has that a connection of no type in particular has not. */
function ownKeys(type: AnyConnectionType): string[] {
  return leaves(connectionSchema(type)).filter((key) => !commonKeys.includes(key));
}

const typeWithoutOptions = { ...cdnConnectionTypes[0], options: { properties: {} }, allow: [] } as never;
const commonKeys = leaves(connectionSchema(typeWithoutOptions));

test('docs/configuration.md describes the keys of the file, and no others', () => {
  const keys = [...leaves(SettingsSchema), ...commonKeys.map((key) => `connections[].${key}`)];
  assert.deepEqual(keysBelow('## All keys').sort(), keys.sort());
});

test('docs/configuration.md describes the keys of a GitHub connection, and no others', () => {
  assert.deepEqual(keysBelow('### `github`').sort(), ownKeys(github as AnyConnectionType).sort());
});

test('docs/configuration.md describes the keys of a connection to a cluster, and no others', () => {
  assert.deepEqual(keysBelow('### `kubernetes`').sort(), ownKeys(kubernetes as AnyConnectionType).sort());
});

test('docs/configuration.md describes the keys that all CDN connections have, and no others', () => {
  const keysOfEach = cdnConnectionTypes.map((type) => [
    ...Object.keys(type.options.properties),
    ...type.allow.map((list) => `allow.${list}`),
  ]);
  const shared = keysOfEach[0]?.filter((key) => keysOfEach.every((keys) => keys.includes(key)));
  assert.deepEqual(keysBelow('### CDNs').sort(), shared?.sort());
});
