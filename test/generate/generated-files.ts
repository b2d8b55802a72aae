import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { openApiDocument } from '../../src/http/openapi.ts';
import { steps } from '../../src/steps/index.ts';
import { cuexPackageResource } from './cuex-package-resource.ts';
import { readObjectResource } from './read-object-resource.ts';
import { uiSchema, uiSchemaFile } from './ui-schema.ts';

export const repository = join(import.meta.dirname, '../..');

/** Every file that is made from others, by its path in the repository. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'addon/aftersync/resources/cuex-package.cue': () => cuexPackageResource(steps),
  'addon/aftersync/resources/read-object.cue': () =>
    readObjectResource(readFileSync(join(repository, 'definitions/read-object.cue'), 'utf8')),
  ...Object.fromEntries(steps.map((step) => [uiSchemaFile(step), () => uiSchema(step)])),
  // Kustomize takes no files from outside its folder, nor links to such.
  'deploy/stepexecutions.yaml': () =>
    readFileSync(join(repository, 'addon/aftersync/resources/stepexecutions.yaml'), 'utf8'),
  'docs/openapi.json': () => `${JSON.stringify(openApiDocument(steps), null, 2)}\n`,
};
