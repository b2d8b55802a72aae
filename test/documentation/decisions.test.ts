import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

async function read(path: string): Promise<string> {
  return await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
}

const documentation = await read('docs/decisions.md');
const manifest = JSON.parse(await read('package.json')) as Readonly<
  Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>
>;

/** The packages that have a paragraph below a heading; one paragraph may be about two. */
function packagesBelow(heading: string): string[] {
  const section = documentation.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^### (.+)$/gm)].flatMap(([, names = '']) => names.split(' and '));
}

for (const [heading, kind] of [
  ['Dependencies', 'dependencies'],
  ['Development only', 'devDependencies'],
] as const) {
  test(`docs/decisions.md says why there is each of the ${kind}, and of no others`, () => {
    assert.deepEqual(packagesBelow(heading), Object.keys(manifest[kind]).toSorted());
  });
}

test('versions are pinned, so that the lock file is not the only one who knows them', () => {
  const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  assert.deepEqual(
    versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
});
