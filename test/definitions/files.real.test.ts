import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { splitDefinition } from '../generate/definition-source.ts';
import { cueExport, cueFmt, cueVet } from '../support/cue/cue.ts';
import { cueVersions } from '../support/cue/cue-program.ts';
import { contextDeclaration, type DefinitionFile, definitionFiles, versionOf } from './definition-files.ts';

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    for (const { name, source } of definitionFiles) {
      const files = { 'definition.cue': source, 'context.cue': contextDeclaration };

      test(`${name} is formatted`, async () => {
        assert.equal(await cueFmt({ version, source }), source);
      });

      test(`${name} has no mistake that vet finds`, async () => {
        await cueVet({ version, files });
      });

      test(`${name} says what it is`, async () => {
        const split = splitDefinition(source);
        const { [name]: metadata } = (await cueExport({
          version,
          files: { 'metadata.cue': split.metadata },
        })) as Readonly<Record<string, object>>;
        const { alias, description, annotations, ...others } = metadata as {
          readonly alias: string;
          readonly description: string;
          readonly annotations: object;
        };
        assert.deepEqual(others, { type: 'workflow-step', attributes: { version: versionOf({ name, source }) } });
        assert.ok(alias.length > 0 && description.length > 20);
        assert.deepEqual(Object.keys(annotations), ['category']);
      });
    }
  });
}

for (const file of definitionFiles) {
  test(`${file.name} tells aftersync the version that KubeVela knows it by`, () => {
    const [, step, version] = /definition: \{\n\t\tstep: +"(.*)"\n\t\tversion: +"(.*)"\n/.exec(file.source) ?? [];
    assert.deepEqual({ step, version }, { step: file.name, version: versionOf(file) });
  });
}

/** KubeVela knows no way for definitions to share text. */
test('the definitions differ only in what is their own', () => {
  const [first, ...others] = definitionFiles;
  assert.ok(first !== undefined && others.length > 0);
  for (const other of others) assertSharesLines(other, first);
});

function assertSharesLines(one: DefinitionFile, other: DefinitionFile): void {
  const lines = sharedLines(one);
  const expected = sharedLines(other);
  const advice = `definitions/${one.name}.cue and ${other.name}.cue differ in what all definitions share`;
  const at = lines.findIndex((line, index) => line !== expected[index]);
  assert.equal(lines[at], expected[at], advice);
  assert.equal(lines.length, expected.length, advice);
}

/** The imports, the call with what follows from it, and the last parameters without this step's own default. */
function sharedLines({ source, step }: DefinitionFile): readonly string[] {
  const between = (start: string, end: string) => {
    const from = source.indexOf(start);
    const to = source.indexOf(end, from);
    assert.ok(from >= 0 && to >= 0, `${start} … ${end}`);
    return source.slice(from, to);
  };
  return [
    between('import (', `"${step.name}": {`),
    between('\t// The same in every definition', '\n\tparameter: {'),
    source.slice(source.indexOf('\t\t// +usage=Address of aftersync')).replace(`Default: ${step.defaultTimeout}`, ''),
  ].flatMap((text) => text.split('\n'));
}
