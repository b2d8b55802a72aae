import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { readTeamConnections } from '../../src/config.ts';
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
  /** What people add of it for the Secret to be a whole connection. */
  readonly added: object;
  /** What the form shows in the open, or by a field of its own for files. */
  readonly shown?: Readonly<Record<string, string>>;
}

/** Of those that have addresses and no credential. */
function cacheOf(type: 'nginx' | 'varnish'): Template {
  return {
    properties: { endpoints: ['http://10.0.0.5:6081', 'http://10.0.0.6:6081'] },
    content: { stringData: { endpoints: 'http://10.0.0.5:6081\nhttp://10.0.0.6:6081' } },
    added: {},
    connection: (file) => ({ type, options: { endpoints: { listFile: file('endpoints') } } }),
    shown: { endpoints: 'Strings' },
  };
}

const pem = '-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----\n';
const distribution = { distribution: 'EDFDVBD6EXAMPLE', hostNames: ['www.example.com'] };

const templates: Readonly<Record<string, readonly Template[]>> = {
  'aftersync-cloudflare': [
    {
      properties: { apiToken: 's3cret' },
      content: { stringData: { 'api-token': 's3cret' } },
      added: { zone: '0'.repeat(32) },
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
      added: distribution,
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
      added: distribution,
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
      added: { service: 'SU1Z0isxPaozGVKXdv0eY' },
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
      added: {},
      connection: (file) => ({ type: 'github', options: { auth: { tokenFile: file('token') } } }),
    },
  ],
  'aftersync-github-app': [
    {
      properties: { privateKey: pem },
      content: { stringData: { 'private-key': pem } },
      added: { auth: { app: { appId: 7 } } },
      connection: (file) => ({
        type: 'github',
        options: { auth: { app: { appId: 7, privateKeyFile: file('private-key') } } },
      }),
      shown: { privateKey: 'CertBase64' },
    },
    {
      properties: { privateKey: Buffer.from(pem).toString('base64') },
      content: { data: { 'private-key': Buffer.from(pem).toString('base64') } },
      added: { auth: { app: { appId: 7 } } },
      connection: (file) => ({
        type: 'github',
        options: { auth: { app: { appId: 7, privateKeyFile: file('private-key') } } },
      }),
      shown: { privateKey: 'CertBase64' },
    },
  ],
  'aftersync-nginx': [cacheOf('nginx')],
  'aftersync-varnish': [cacheOf('varnish')],
};

/** The keys that a connection has as files, wherever they stand in it. */
function keysOf(connection: Template['connection']): string[] {
  const keys: string[] = [];
  connection((key) => {
    keys.push(key);
    return key;
  });
  return keys.sort();
}

test('each template is named by the type of connection that it makes, and is there', () => {
  const named = connectionTypes.flatMap(({ type, templates: names = [] }) => names.map((name) => [name, type]));
  const used = Object.entries(templates).flatMap(([name, variants]) =>
    variants.map(({ connection }) => [name, connection(String).type]),
  );
  assert.deepEqual(Object.fromEntries(named), Object.fromEntries(used));
  assert.deepEqual(configTemplates.map(({ name }) => name).sort(), Object.keys(templates).sort());
});

test('only a cluster has none: a team reaches no cluster by our own rights', () => {
  const without = connectionTypes.filter(({ templates: names }) => names === undefined);
  assert.deepEqual(
    without.map(({ type }) => type),
    ['kubernetes'],
  );
});

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    for (const { name, source } of configTemplates) {
      for (const [index, { properties, content, connection, added }] of (templates[name] ?? []).entries()) {
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

        test(`${name} makes a whole connection where it is told what is no credential (${index + 1})`, async () => {
          const given = { ...properties, connection: { ...added, owner: 'shop@example.com' } };
          const { secret } = await renderConfig({ version, source, properties: given });
          const { stringData, data = {} } = secret as Template['content'];
          const decoded = Object.entries(data).map(
            ([key, value]) => [key, Buffer.from(value, 'base64').toString()] as const,
          );
          const values = new Map([...Object.entries(stringData ?? {}), ...decoded]);
          const [found] = readTeamConnections([{ name: 'given', template: name, values }], {
            namespace: 'shop',
            types: connectionTypes,
          });
          const { type, options } = connection(String);
          const schema = connectionTypes.find((candidate) => candidate.type === type)?.options ?? assert.fail();
          assert.equal(found?.mistake, undefined);
          assert.deepEqual(
            [found?.type, found?.owner, found?.options],
            [type, 'shop@example.com', withDefaults(schema, options)],
          );
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
            uiType: { connection: 'Group', ...templates[name]?.[0]?.shown }[jsonKey] ?? 'Password',
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
