import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { cdnProviders } from '../../../src/providers/cdn/index.ts';
import { type CdnProvider, purgeKinds } from '../../../src/providers/cdn/provider.ts';
import { purgeCdn } from '../../../src/steps/purge-cdn.ts';

const root = new URL('../../../', import.meta.url);
const textOf = (path: string): string => readFileSync(new URL(path, root), 'utf8');

it('every CDN stands in the table once, in the order of the alphabet', () => {
  const types = cdnProviders.map(({ type }) => type);
  assert.deepEqual(types, [...new Set(types)].sort());
});

for (const provider of cdnProviders) {
  const { type } = provider;

  describe(type, () => {
    it('has limits for each of its kinds and rates, and no others', () => {
      const limits = provider.limits({});
      assert.deepEqual(Object.keys(limits.maxItems).sort(), Object.keys(provider.kinds).sort());
      assert.deepEqual(Object.keys(limits.rates).sort(), Object.keys(provider.rates).sort());
      for (const { rates } of Object.values(provider.kinds)) {
        for (const rate of rates) assert.ok(provider.rates[rate], `${rate} is not declared`);
      }
      if (limits.maxBytes !== undefined) assert.ok(provider.itemBytes, 'itemBytes is needed');
    });

    it('has a code file of its name and a test that runs the contract suite', () => {
      assert.ok(existsSync(new URL(`src/providers/cdn/${type}.ts`, root)));
      assert.match(textOf(`test/providers/cdn/${type}.real.test.ts`), new RegExp(`testCdnProvider\\(${type},`));
    });

    it('has a section in docs/steps/purge-cdn.md with all its options', () => {
      const [, section = ''] = textOf('docs/steps/purge-cdn.md').split(`\n### ${type}\n`);
      const documented = [...(section.split(/\n##/)[0] ?? '').matchAll(/^\| `(\w+)` \|[^|]*\|[^|]*\|$/gm)].map(
        ([, key]) => key,
      );
      const keys = documented.filter((key) => !purgeKinds.some((kind) => kind === key));
      assert.deepEqual(keys.sort(), Object.keys(provider.options).sort());
    });
  });
}

it('docs/providers.md has the table as the code has it', () => {
  const rows = textOf('docs/providers.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  assert.deepEqual(rows, cdnProviders.map(rowOf));
});

function rowOf({ type, kinds, options, rates }: CdnProvider): string {
  const offers = purgeKinds.map((kind) => (kinds[kind] === undefined ? '–' : kinds[kind].soft ? 'soft' : 'yes'));
  return `| \`${type}\` | ${[...offers, listOf(options), listOf(rates)].join(' | ')} |`;
}

function listOf(keys: object): string {
  return (
    Object.keys(keys)
      .map((key) => `\`${key}\``)
      .join(', ') || '–'
  );
}

describe('docs/steps/purge-cdn.md', () => {
  for (const { title, schema } of [
    { title: 'Parameters', schema: purgeCdn.params },
    { title: 'Outputs', schema: purgeCdn.outputs },
  ]) {
    it(`describes the ${title.toLowerCase()} of the schema, and no others`, () => {
      const [, section = ''] = textOf('docs/steps/purge-cdn.md').split(`\n## ${title}\n`);
      const documented = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key);
      assert.deepEqual(documented.sort(), Object.keys(schema.properties).sort());
    });
  }
});
