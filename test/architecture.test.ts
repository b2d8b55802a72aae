import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

/**
 * Who may import whom (DESIGN 10; type imports count): a folder of src may import itself and what stands here. A folder
 * that is not here may not exist.
 */
const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ['core'],
  engine: ['core'],
  store: ['core'],
  providers: ['core'],
  steps: ['core', 'providers'],
  origins: ['core', 'providers'],
  http: ['core', 'engine'],
  main: ['core', 'config', 'engine', 'store', 'providers', 'steps', 'origins', 'http'],
  cli: ['core', 'config', 'engine', 'store', 'providers', 'steps', 'origins', 'http', 'main'],
};

/** The one store that lies in a cluster asks it through the cluster's provider. */
const clusterStore = { folder: 'src/store/kubernetes/', mayImport: 'src/providers/kubernetes/' };

/** `src/http/app.ts` and `src/http.ts` belong to http. */
function partOf(file: string): string {
  return file.split('/')[1]?.replace(/\.[a-z]+$/, '') ?? '';
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, specifier]) => specifier ?? '',
  );
  return specifiers.map((specifier) => normalize(join(dirname(file), specifier)));
}

test('imports follow the arrows', () => {
  const wrong: string[] = [];
  for (const file of globSync('src/**/*.{ts,mjs}')) {
    const part = partOf(file);
    for (const imported of importsOf(file)) {
      const allowed = [part, ...(arrows[part] ?? [])];
      if (file.startsWith(clusterStore.folder) && imported.startsWith(clusterStore.mayImport)) continue;
      if (!imported.startsWith('src/') || !allowed.includes(partOf(imported))) wrong.push(`${file} → ${imported}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no part of src is without a rule, and no rule without a part', () => {
  const parts = new Set(globSync('src/**/*.ts').map(partOf));
  assert.deepEqual([...parts].sort(), Object.keys(arrows).sort());
});

test('only config reads the environment, and only main and cli end the process', () => {
  const wrong = globSync('src/**/*.ts').filter((file) => {
    const text = readFileSync(file, 'utf8');
    const part = partOf(file);
    const readsEnvironment = text.includes('process.env') && part !== 'config';
    const ends = /process\.(exit\(|exitCode)/.test(text) && part !== 'main' && part !== 'cli';
    return readsEnvironment || ends;
  });
  assert.deepEqual(wrong, []);
});
