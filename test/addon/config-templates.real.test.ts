import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { TSchema } from '@sinclair/typebox';
import { parse } from 'yaml';
import { mistakesOf, withDefaults } from '../../src/core/schema.ts';
import { connectionTypes } from '../../src/providers/index.ts';
import { cueExport } from '../support/cue/cue.ts';
import { cueVersions } from '../support/cue/cue-program.ts';
import { addonFiles, configTemplates, readAddonFile, renderConfig } from './rendered-addon.ts';

interface Template {
  /** What people fill in. */
  readonly properties: object;
  /** What stands in the Secret beside its name. */
  readonly content: {
    readonly stringData?: Readonly<Record<string, string>>;
    readonly data?: Readonly<Record<string, string>>;
  };
  /** A connection that has the Secret's keys as files. `file`: the path of a key. */
  readonly connection: (file: (key: string) => string) => { readonly type: string; readonly options: object };
  /** What the form shows in the open, or by a field of its own for files. */
  readonly shown?: Readonly<Record<string, string>>;
}

const pem = '-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\n';
const distribution = { distribution: 'EDFDVBD6EXAMPLE', hostNames: ['www.example.com'] };

const templates: Readonly<Record<string, readonly Template[]>> = {
  'aftersync-cloudflare': [
    {
      properties: { apiToken: 's3cret' },
      content: { stringData: { 'api-token': 's3cret' } },
      connection: (file) => ({
        type: 'cloudflare',
        options: { zone: '0'.repeat(32), apiTokenFile: file('api-token') },
      }),
    },
  ],
  'aftersync-cloudfront': [
    {
      properties: { accessKeyId: 'AKIA', secretAccessKey: 's3cret' },
      content: { stringData: { 'access-key-id': 'AKIA', 'secret-access-key': 's3cret' } },
      connection: (file) => ({
        type: 'cloudfront',
        options: {
          ...distribution,
          accessKeyIdFile: file('access-key-id'),
          secretAccessKeyFile: file('secret-access-key'),
        },
      }),
      shown: { accessKeyId: 'Input' },
    },
    {
      properties: { accessKeyId: 'ASIA', secretAccessKey: 's3cret', sessionToken: 's3ssion' },
      content: {
        stringData: { 'access-key-id': 'ASIA', 'secret-access-key': 's3cret', 'session-token': 's3ssion' },
      },
      connection: (file) => ({
        type: 'cloudfront',
        options: {
          ...distribution,
          accessKeyIdFile: file('access-key-id'),
          secretAccessKeyFile: file('secret-access-key'),
          sessionTokenFile: file('session-token'),
        },
      }),
      shown: { accessKeyId: 'Input' },
    },
  ],
  'aftersync-fastly': [
    {
      properties: { apiToken: 's3cret' },
      content: { stringData: { 'api-token': 's3cret' } },
      connection: (file) => ({
        type: 'fastly',
        options: { service: 'SU1Z0isxPaozGVKXdv0eY', apiTokenFile: file('api-token') },
      }),
    },
  ],
  'aftersync-github': [
    {
      properties: { token: 's3cret' },
      content: { stringData: { token: 's3cret' } },
      connection: (file) => ({ type: 'github', options: { auth: { tokenFile: file('token') } } }),
    },
  ],
  'aftersync-github-app': [
    {
      properties: { privateKey: pem },
      content: { stringData: { 'private-key': pem } },
      connection: (file) => ({
        type: 'github',
        options: { auth: { app: { appId: 7, privateKeyFile: file('private-key') } } },
      }),
      shown: { privateKey: 'CertBase64' },
    },
    {
      properties: { privateKey: Buffer.from(pem).toString('base64') },
      content: { data: { 'private-key': Buffer.from(pem).toString('base64') } },
      connection: (file) => ({
        type: 'github',
        options: { auth: { app: { appId: 7, privateKeyFile: file('private-key') } } },
      }),
      shown: { privateKey: 'CertBase64' },
    },
  ],
  'aftersync-varnish': [
    {
      properties: { endpoints: ['http://10.0.0.5:6081', 'http://10.0.0.6:6081'] },
      content: { stringData: { endpoints: 'http://10.0.0.5:6081\nhttp://10.0.0.6:6081' } },
      connection: (file) => ({ type: 'varnish', options: { endpoints: { listFile: file('endpoints') } } }),
      shown: { endpoints: 'Strings' },
    },
  ],
};

/** A kubeconfig is a file of its own, and inside a cluster none is needed; nginx takes what Varnish takes. */
const withoutTemplate = ['kubernetes', 'nginx'];

/** Options that are files, however deep. */
function hasFileOption(schema: TSchema): boolean {
  const variants: readonly TSchema[] = schema.anyOf ?? [];
  const properties = Object.entries<TSchema>(schema.properties ?? {});
  return (
    variants.some(hasFileOption) || properties.some(([name, option]) => name.endsWith('File') || hasFileOption(option))
  );
}

/** The keys that a connection has as files, wherever they stand in it. */
function keysOf(connection: Template['connection']): string[] {
  const keys: string[] = [];
  connection((key) => {
    keys.push(key);
    return key;
  });
  return keys.sort();
}

test('each type of connection that has files has a template, and each template is for one', () => {
  const withFiles = connectionTypes.filter(({ options }) => hasFileOption(options)).map(({ type }) => type);
  const used = Object.values(templates).flatMap((variants) =>
    variants.map(({ connection }) => connection(String).type),
  );
  assert.deepEqual([...new Set(used)].sort(), withFiles.filter((type) => !withoutTemplate.includes(type)).sort());
  assert.deepEqual(configTemplates.map(({ name }) => name).sort(), Object.keys(templates).sort());
});

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    for (const { name, source } of configTemplates) {
      for (const [index, { properties, content, connection }] of (templates[name] ?? []).entries()) {
        test(`${name} makes a Secret with the files of a connection (${index + 1})`, async () => {
          const { metadata, secret } = await renderConfig({ version, source, properties });
          const { alias, description, ...others } = metadata;
          assert.deepEqual(others, { name, sensitive: true, scope: 'system' });
          assert.ok(alias && description);
          assert.deepEqual(secret, {
            apiVersion: 'v1',
            kind: 'Secret',
            metadata: { name: 'given', namespace: 'vela-system' },
            type: 'Opaque',
            ...content,
          });
          assert.deepEqual(Object.keys({ ...content.stringData, ...content.data }).sort(), keysOf(connection));
        });
      }

      test(`${name} has a form that shows no secret`, async () => {
        const files = { 'template.cue': `${source}\ncontext: {...}\nschema: #parameter: template.parameter` };
        const document = await cueExport({ version, files, expression: 'schema', out: 'openapi' });
        const { components } = document as {
          components: { schemas: Record<string, { properties: object; required?: string[] }> };
        };
        const { properties = {}, required = [] } = components.schemas['template.parameter'] ?? {};
        const fields = parse(readAddonFile(`schemas/config-uischema-${name}.yaml`)) as readonly {
          readonly jsonKey: string;
          readonly uiType: string;
          readonly validate: { readonly required: boolean };
        }[];
        assert.deepEqual(
          fields.map(({ jsonKey, uiType, validate }) => ({ jsonKey, uiType, required: validate.required })),
          Object.keys(properties).map((jsonKey) => ({
            jsonKey,
            uiType: templates[name]?.[0]?.shown?.[jsonKey] ?? 'Password',
            required: required.includes(jsonKey),
          })),
        );
      });
    }
  });
}

for (const [name, variants] of Object.entries(templates)) {
  test(`${name} is for connections that the configuration takes`, () => {
    for (const { connection } of variants) {
      const { type, options } = connection((key) => `/etc/aftersync/connections/given/${key}`);
      const schema = connectionTypes.find((candidate) => candidate.type === type)?.options ?? assert.fail();
      assert.deepEqual(mistakesOf(schema, withDefaults(schema, options)), []);
    }
  });
}

test('docs/install.md tells of each template how its connection looks', () => {
  const text = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8');
  for (const [name, variants] of Object.entries(templates)) {
    const row = text.split('\n').find((line) => line.includes(`| \`${name}\` |`)) ?? assert.fail(`no row of ${name}`);
    for (const { connection } of variants) {
      assert.ok(row.startsWith(`| \`${connection(String).type}\` |`), row);
      for (const key of keysOf(connection)) assert.ok(row.includes(`/etc/aftersync/connections/NAME/${key}`), key);
    }
  }
});

test('each form is that of a template or of a step', () => {
  const forms = addonFiles('schemas/*').filter((path) => path.includes('config-uischema-'));
  assert.deepEqual(
    forms,
    configTemplates.map(({ name }) => `schemas/config-uischema-${name}.yaml`),
  );
});
