import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TSchema } from '@sinclair/typebox';
import { parse } from 'yaml';
import { connectionTypes } from '../../src/providers/index.ts';
import { cueExport } from '../support/cue/cue.ts';
import { cueVersions } from '../support/cue/cue-program.ts';
import { addonFiles, configTemplates, readAddonFile, renderConfig } from './rendered-addon.ts';

/** What each template asks for, and the key of the Secret in which it ends. */
const secretKeys: Readonly<Record<string, { readonly property: string; readonly key: string }>> = {
  'aftersync-cloudflare': { property: 'apiToken', key: 'api-token' },
  'aftersync-github': { property: 'token', key: 'token' },
};

/** A kubeconfig is a file of its own, and inside a cluster none is needed. */
const withoutTemplate = ['kubernetes'];

/** Options that are files, however deep: the credentials. */
function fileOptions(schema: TSchema): string[] {
  const properties = Object.entries<TSchema>(schema.properties ?? {});
  return properties.flatMap(([name, option]) => (name.endsWith('File') ? [name] : fileOptions(option)));
}

test('each type of connection that has a credential has a template, and no other', () => {
  const withCredential = connectionTypes.filter(({ type, options }) => {
    return fileOptions(options).length > 0 && !withoutTemplate.includes(type);
  });
  assert.deepEqual(
    configTemplates.map(({ name }) => name),
    withCredential.map(({ type }) => `aftersync-${type}`).sort(),
  );
});

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    for (const { name, source } of configTemplates) {
      test(`${name} makes a Secret whose one key is the credential`, async () => {
        const { property = '', key = '' } = secretKeys[name] ?? {};
        const { metadata, secret } = await renderConfig({ version, source, properties: { [property]: 's3cret' } });
        const { alias, description, ...others } = metadata;
        assert.deepEqual(others, { name, sensitive: true, scope: 'system' });
        assert.ok(alias && description);
        assert.deepEqual(secret, {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'given', namespace: 'vela-system' },
          type: 'Opaque',
          stringData: { [key]: 's3cret' },
        });
      });

      test(`${name} has a form that shows no secret`, async () => {
        const files = { 'template.cue': `${source}\ncontext: {...}\nschema: #parameter: template.parameter` };
        const document = await cueExport({ version, files, expression: 'schema', out: 'openapi' });
        const { components } = document as { components: { schemas: Record<string, { properties: object }> } };
        const fields = parse(readAddonFile(`schemas/config-uischema-${name}.yaml`)) as readonly {
          readonly jsonKey: string;
          readonly uiType: string;
        }[];
        assert.deepEqual(
          fields.map(({ jsonKey, uiType }) => ({ jsonKey, uiType })),
          Object.keys(components.schemas['template.parameter']?.properties ?? {}).map((jsonKey) => ({
            jsonKey,
            uiType: 'Password',
          })),
        );
      });
    }
  });
}

test('each form is that of a template or of a step', () => {
  const forms = addonFiles('schemas/*').filter((path) => path.includes('config-uischema-'));
  assert.deepEqual(
    forms,
    configTemplates.map(({ name }) => `schemas/config-uischema-${name}.yaml`),
  );
});
