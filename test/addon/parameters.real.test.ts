import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { cueExport } from '../support/cue/cue.ts';
import { type CueVersion, cueVersions } from '../support/cue/cue-program.ts';
import { readAddonFile } from './rendered-addon.ts';

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
}

interface Parameter {
  readonly path: string;
  readonly type: string | undefined;
  /** As KubeVela shows it. Absent for what only holds other parameters. */
  readonly usage: string | undefined;
}

const parameterSource = { 'parameter.cue': readAddonFile('parameter.cue') };

/** What KubeVela makes forms and pages of (pkg/addon/addon.go, genAddonAPISchema). */
async function parametersOf(version: CueVersion): Promise<readonly Parameter[]> {
  const files = { ...parameterSource, 'schema.cue': 'package main\nschema: #parameter: parameter' };
  const document = await cueExport({ version, files, expression: 'schema', out: 'openapi' });
  const { components } = document as { readonly components: { readonly schemas: Readonly<Record<string, Schema>> } };
  const below = (schema: Schema | undefined, prefix: string): Parameter[] =>
    Object.entries(schema?.properties ?? {}).flatMap(([name, property]) => [
      { path: prefix + name, type: property.type, usage: property.description?.replace('+usage=', '') },
      ...below(property, `${prefix}${name}.`),
    ]);
  return below(components.schemas.parameter, '');
}

/** The value of each parameter where nothing is given, but for what an executor elsewhere needs. */
async function defaultsOf(version: CueVersion): Promise<unknown> {
  const given = { 'given.cue': 'package main\nparameter: externalExecutor: address: ""' };
  return cueExport({ version, files: { ...parameterSource, ...given }, expression: 'parameter' });
}

function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
}

/** The table in the README, as `path | default | meaning`. */
const rows = [...readAddonFile('README.md').matchAll(/^\| `([\w.]+)` \| (?:`(.*)`)? ?\| (.+) \|$/gm)].map(
  ([, path, byDefault = '', usage]) => `${path} | ${byDefault} | ${usage}`,
);

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    test('the README lists each parameter with its default and its usage', async () => {
      const defaults = await defaultsOf(version);
      const expected = (await parametersOf(version)).flatMap(({ path, type, usage }) => {
        if (usage === undefined) return [];
        const value = type === 'object' || path === 'externalExecutor.address' ? undefined : valueAt(defaults, path);
        return [`${path} | ${value === undefined ? '' : JSON.stringify(value)} | ${usage}`];
      });
      assert.deepEqual(rows, expected);
    });

    test('each parameter has one type, without which VelaUX shows no form at all', async () => {
      for (const { path, type } of await parametersOf(version)) assert.ok(type, path);
    });
  });
}
