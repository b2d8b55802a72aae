import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { toJsonSchema } from '../../src/http/openapi.ts';
import { cdnProviders } from '../../src/providers/cdn/index.ts';
import { steps } from '../../src/steps/index.ts';

const repository = join(import.meta.dirname, '../..');

/** Where each step, or each CDN, must have something of its name, and nothing else may have one. */
interface Place {
  /** Where a name's part is, or would be. */
  readonly at: (name: string) => string;
  /** What to do where it is missing. */
  readonly advice: string;
  readonly names: readonly string[];
}

/** What is missing or too much, and what to do, one line each. */
function gaps(table: string, tableNames: readonly string[], places: readonly Place[]): string[] {
  const doubled = tableNames.filter((name, index) => tableNames.indexOf(name) !== index);
  return [
    ...doubled.map((name) => `${name}: twice in ${table} (rename one)`),
    ...places.flatMap(({ at, advice, names }) => [
      ...tableNames.filter((name) => !names.includes(name)).map((name) => `${name}: no ${at(name)} (${advice})`),
      ...names
        .filter((name) => !tableNames.includes(name))
        .map((name) => `${name}: ${at(name)}, but not in ${table} (add it there, or remove this)`),
    ]),
  ];
}

function read(path: string): string {
  return readFileSync(join(repository, path), 'utf8');
}

function files(pattern: string): string[] {
  return globSync(pattern, { cwd: repository });
}

/** The names of files without their ending, each once. */
function stems(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => basename(path).replace(/(\.real)?(\.test)?\.\w+$/, '')))];
}

const openApi = JSON.parse(read('docs/openapi.json')) as { components: { schemas: Record<string, unknown> } };

test('each step has its code, definition, test, page and place in the addon, and none of these is without a step', () => {
  const isStep = (path: string) => !/(^|\/)(index|catalogue)\./.test(path);
  const places: Place[] = [
    {
      at: (name) => `src/steps/${name}.ts`,
      advice: 'write it, or correct the name in the table',
      names: stems(files('src/steps/*.ts').filter(isStep)),
    },
    { at: (name) => `definitions/${name}.cue`, advice: 'write it', names: stems(files('definitions/*')) },
    {
      at: (name) => `test/steps/${name}.test.ts`,
      advice: 'write it',
      names: stems(files('test/steps/*.test.ts').filter(isStep)),
    },
    { at: (name) => `docs/steps/${name}.md`, advice: 'write it', names: stems(files('docs/steps/*')) },
    {
      at: (name) => `addon/aftersync/definitions/${name}.cue`,
      advice: 'make it a link to the definition: ln -s ../../../definitions/NAME.cue',
      // The built-in of the same name keeps this one from being among the definitions.
      names: stems([...files('addon/aftersync/definitions/*'), 'addon/aftersync/resources/read-object.cue']),
    },
    {
      at: (name) => `${name}.params in docs/openapi.json`,
      advice: 'npm run generate',
      names: Object.keys(openApi.components.schemas).flatMap((key) => /^(.*)\.params$/.exec(key)?.[1] ?? []),
    },
  ];
  const names = steps.map(({ name }) => name);
  assert.deepEqual(names, [...names].sort(), 'src/steps/index.ts is in the order of the alphabet');
  assertNone(gaps('src/steps/index.ts', names, places));
});

test('docs/openapi.json says of each step what its code says', () => {
  const differing = steps.filter(({ name, params, outputs }) => {
    const { [`${name}.params`]: documentedParams, [`${name}.outputs`]: documentedOutputs } = openApi.components.schemas;
    return !isDeepStrictEqual(
      [documentedParams, documentedOutputs],
      [params, outputs].map((schema) => toJsonSchema(schema)),
    );
  });
  assertNone(differing.map(({ name }) => `${name}: docs/openapi.json differs (npm run generate)`));
});

test('each CDN has its code, contract suite, section and place in the definition, and none of these is without a CDN', () => {
  const [, sections = ''] = read('docs/steps/purge-cdn.md').split('\n## Providers\n');
  const [, usage = ''] = /Connection to a CDN or cache: (.*)\. Default/.exec(read('definitions/purge-cdn.cue')) ?? [];
  const having = (pattern: string, text: string) => stems(files(pattern).filter((path) => read(path).includes(text)));
  const places: Place[] = [
    {
      at: (name) => `src/providers/cdn/${name}.ts`,
      advice: 'write it, or correct the type in it',
      names: having('src/providers/cdn/*.ts', ' = defineCdnProvider('),
    },
    {
      at: (name) => `contract suite in test/providers/cdn/${name}.real.test.ts`,
      advice: 'run it there',
      names: having('test/providers/cdn/*.test.ts', 'testCdnProvider('),
    },
    {
      at: (name) => `section ${name} in docs/steps/purge-cdn.md`,
      advice: 'write it',
      names: [...(sections.split('\n## ')[0] ?? '').matchAll(/^### (.*)$/gm)].map(([, name]) => name ?? ''),
    },
    {
      at: (name) => `${name} in the usage of connection in definitions/purge-cdn.cue`,
      advice: 'add it',
      names: usage.split(', '),
    },
  ];
  assertNone(
    gaps(
      'src/providers/cdn/index.ts',
      cdnProviders.map(({ type }) => type),
      places,
    ),
  );
});

test('a gap is named with its place and what to do, whichever side it is on', () => {
  const places = [{ at: (name: string) => `docs/${name}.md`, advice: 'write it', names: ['purge', 'ghost'] }];
  assert.deepEqual(gaps('index.ts', ['purge', 'read', 'read'], places).sort(), [
    'ghost: docs/ghost.md, but not in index.ts (add it there, or remove this)',
    'read: no docs/read.md (write it)',
    'read: no docs/read.md (write it)',
    'read: twice in index.ts (rename one)',
  ]);
});

function assertNone(found: readonly string[]): void {
  assert.ok(found.length === 0, `\n${found.join('\n')}`);
}
