import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';

import { contexts, definitionFiles, leastParameters, versionOf } from '../definitions/definition-files.ts';
import { splitDefinition } from '../generate/definition-source.ts';
import { cueExport, cueFmt } from '../support/cue/cue.ts';
import { cueVersions } from '../support/cue/cue-program.ts';
import { evaluateTemplate } from '../support/cue/evaluate-template.ts';
import { addonFolder, metadata, readAddonFile, renderApplication, renderNotes } from './rendered-addon.ts';

const readObject = definitionFiles.find(({ name }) => name === 'read-object') ?? assert.fail();

test('the addon has the name of its folder, and the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(addonFolder, '../../package.json'), 'utf8'));
  assert.equal(metadata.name, basename(addonFolder), 'else vela addon enable would give it another');
  assert.equal(metadata.version, version);
});

test('its definitions are links to those of the repository, all but read-object', () => {
  const folder = join(addonFolder, 'definitions');
  const linked = readdirSync(folder).map((name) => {
    assert.ok(lstatSync(join(folder, name)).isSymbolicLink(), `${name} is a copy, which would grow old`);
    return realpathSync(join(folder, name));
  });
  const expected = definitionFiles.filter((file) => file !== readObject).map(({ path }) => realpathSync(path));
  assert.deepEqual(linked.sort(), expected.sort());
});

test('every file is one that KubeVela reads', () => {
  assert.deepEqual(readdirSync(addonFolder).sort(), [
    'NOTES.cue',
    'README.md',
    'definitions',
    'metadata.yaml',
    'parameter.cue',
    'resources',
    'template.cue',
  ]);
});

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    test('read-object comes under a name of ours for all namespaces, and as read-object where asked for', async () => {
      const placesFor = async (args?: object) => {
        const { apiVersion, kind, spec } = await renderApplication({ version, ...(args && { args }) });
        assert.deepEqual({ apiVersion, kind }, { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' });
        const [component, ...others] = spec.components;
        assert.equal(component?.type, 'k8s-objects');
        assert.deepEqual(others, []);
        return component.properties.objects.map(({ metadata: { name, namespace } }) => `${namespace}/${name}`);
      };
      const always = 'vela-system/aftersync-read-object';
      assert.deepEqual(await placesFor(), [always, 'default/read-object']);
      assert.deepEqual(await placesFor({ readObjectNamespaces: [] }), [always]);
      assert.deepEqual(await placesFor({ readObjectNamespaces: ['shop', 'default'] }), [
        always,
        'shop/read-object',
        'default/read-object',
      ]);
    });

    test('each is the definition as KubeVela would make it of the file', async () => {
      const { metadata: source, template } = splitDefinition(readObject.source);
      const described = (await cueExport({ version, files: { 'metadata.cue': source } })) as {
        readonly 'read-object': {
          readonly alias: string;
          readonly description: string;
          readonly annotations: { readonly category: string };
        };
      };
      const { alias, description, annotations } = described['read-object'];
      const { spec } = await renderApplication({ version });
      for (const object of spec.components[0]?.properties.objects ?? []) {
        assert.deepEqual(
          { ...object, metadata: object.metadata.annotations },
          {
            apiVersion: 'core.oam.dev/v1beta1',
            kind: 'WorkflowStepDefinition',
            metadata: {
              'definition.oam.dev/alias': alias,
              'definition.oam.dev/description': description,
              'custom.definition.oam.dev/category': annotations.category,
            },
            spec: { version: versionOf(readObject), schematic: { cue: { template: template.trimEnd() } } },
          },
        );
      }
    });

    test('its template, as installed, makes the call', async () => {
      const { spec } = await renderApplication({ version });
      const installed = spec.components[0]?.properties.objects[0]?.spec.schematic.cue.template ?? '';
      const [, imports = '', body = ''] = /^(import \(\n.*?\n\)\n)(.*)$/s.exec(installed) ?? [];
      const folder = await mkdtemp(join(tmpdir(), 'aftersync-addon-'));
      try {
        const definitionPath = join(folder, 'installed.cue');
        writeFileSync(definitionPath, `${imports}template: {${body}\n}\n`);
        const answer = { state: 'succeeded', message: 'there', outputs: { value: { kind: 'Deployment' } } };
        const { phase, outputs, requests } = await evaluateTemplate({
          version,
          definitionPath,
          parameter: leastParameters['read-object'] ?? {},
          context: contexts.Application,
          returns: { call: { statusCode: 200, body: JSON.stringify(answer) } },
        });
        assert.equal(requests.call?.url, 'http://aftersync.vela-system:8080/v1/executions/abc0123456');
        assert.deepEqual({ phase, outputs }, { phase: 'succeeded', outputs: answer.outputs });
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('namespaces that are no list of names are refused', async () => {
      await assert.rejects(renderApplication({ version, args: { readObjectNamespaces: 'default' } }));
      await assert.rejects(renderApplication({ version, args: { readObjectNamespaces: [1] } }));
    });

    test('KubeVela finds a form for the parameters', async () => {
      const files = {
        'parameter.cue': readAddonFile('parameter.cue'),
        'schema.cue': 'package main\nschema: #parameter: parameter',
      };
      const document = await cueExport({ version, files, expression: 'schema', out: 'openapi' });
      assert.match(JSON.stringify(document), /"readObjectNamespaces":\{"description":"\+usage=/);
    });

    test('the notes can be rendered, and name the address that is called', async () => {
      assert.match(String(await renderNotes({ version })), /http:\/\/aftersync\.vela-system:8080/);
    });

    test('its files are formatted', async () => {
      for (const name of ['NOTES.cue', 'parameter.cue', 'template.cue', 'resources/read-object.cue']) {
        const source = readAddonFile(name);
        assert.equal(await cueFmt({ version, source }), source, name);
      }
    });
  });
}
