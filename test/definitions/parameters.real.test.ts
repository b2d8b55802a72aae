import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { ExecutionRequestSchema } from '../../src/core/request.ts';
import { cdnProviders } from '../../src/providers/cdn/index.ts';
import { cueExport } from '../support/cue/cue.ts';
import { type CueVersion, cueVersions } from '../support/cue/cue-program.ts';
import { contextDeclaration, type DefinitionFile, definitionFiles } from './definition-files.ts';
import { shapeOf } from './parameter-shape.ts';

type Json = Readonly<Record<string, unknown>>;
type Schemas = Readonly<Record<string, Json>>;

const { step: _step, with: _with, origin: _origin, onChange, ...others } = ExecutionRequestSchema.properties;
/** A workflow step is a scope of its own. */
const { scope: _scope, ...ofWorkflows } = onChange.properties;
const siblings = { ...others, onChange: { ...onChange, properties: ofWorkflows } };
/** Of the definition alone: where its call goes. */
const ofTheDefinition = { executor: 'string' };

/** What CUE makes of the parameters, just as KubeVela makes the forms and pages for them. */
async function openApiOf({ source }: DefinitionFile, version: CueVersion): Promise<Schemas> {
  const files = {
    'definition.cue': source,
    'schema.cue': `${contextDeclaration}schema: #parameter: template.parameter`,
  };
  const document = await cueExport({ version, files, expression: 'schema', out: 'openapi' });
  return (document as { components: { schemas: Schemas } }).components.schemas;
}

function parameterIn(schemas: Schemas): Json {
  return schemas['template.parameter'] ?? assert.fail(`there is only ${Object.keys(schemas).join(', ')}`);
}

/** The lines that declare a parameter, or a field of one, each with the line before it. */
function declarationsIn(source: string): { readonly line: string; readonly before: string }[] {
  const lines = source.split('\n').map((line) => line.trim());
  const declared = lines.flatMap((line, index) =>
    /^\w+\??: /.test(line) ? [{ line, before: lines[index - 1] ?? '' }] : [],
  );
  return declared.filter(({ line }) => line !== 'parameter: {');
}

for (const file of definitionFiles) {
  test(`each parameter of ${file.name} has a short usage, which names its default`, () => {
    const declarations = declarationsIn(file.source.slice(file.source.indexOf('\t#WaitFor')));
    assert.ok(declarations.length > 10);
    for (const { line, before } of declarations) {
      assert.match(before, /^\/\/ \+usage=[A-Z].{5,130}[^.]$/, `before ${line}`);
    }
    const properties = { ...(file.step.params.properties as Schemas), timeout: { default: file.step.defaultTimeout } };
    const parameters = declarationsIn(file.source.slice(file.source.indexOf('\tparameter: {')));
    for (const [name, { default: value }] of Object.entries<Json>(properties)) {
      if (value === undefined || JSON.stringify(value) === '{}') continue;
      const usage = parameters.find(({ line }) => line.startsWith(`${name}?: `))?.before ?? '';
      assert.ok(usage.endsWith(`. Default: ${value}`), `${name} defaults to ${value}, its usage is ${usage}`);
    }
  });
}

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    for (const file of definitionFiles) {
      test(`${file.name} takes what the step takes, and what every request has`, async () => {
        const own = file.step.params as Json;
        for (const name of Object.keys(own.properties as Json)) {
          assert.ok(!(name in siblings || name in ofTheDefinition), `${name} would never reach the step`);
        }
        const schemas = await openApiOf(file, version);
        const { fields: ofStep } = shapeOf(own) as { fields: Json };
        const { fields: ofRequest } = shapeOf({ type: 'object', properties: siblings }) as { fields: Json };
        assert.deepEqual(shapeOf(parameterIn(schemas), schemas), {
          fields: { ...ofStep, ...ofRequest, 'executor?': ofTheDefinition.executor },
        });
      });
    }

    test('purge-cdn names the CDNs that there are', async () => {
      const file = definitionFiles.find(({ name }) => name === 'purge-cdn');
      assert.ok(file);
      const { connection } = parameterIn(await openApiOf(file, version)).properties as Schemas;
      const [, names = ''] = /cache: (.*)\. Default/.exec(String(connection?.description)) ?? [];
      assert.deepEqual(
        names.split(', '),
        cdnProviders.map(({ type }) => type),
      );
    });
  });
}
