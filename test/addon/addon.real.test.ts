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
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import {
  addonFiles,
  addonFolder,
  image,
  metadata,
  objectsOf,
  readAddonFile,
  renderApplication,
  renderNotes,
} from './rendered-addon.ts';

interface StepDefinition extends KubernetesObject {
  readonly spec: { readonly version: string; readonly schematic: { readonly cue: { readonly template: string } } };
}

const readObject = definitionFiles.find(({ name }) => name === 'read-object') ?? assert.fail();

async function renderDefinitions(...[rendering]: Parameters<typeof renderApplication>) {
  return objectsOf(await renderApplication(rendering), 'read-object') as readonly StepDefinition[];
}

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
    'config-templates',
    'definitions',
    'metadata.yaml',
    'parameter.cue',
    'resources',
    'schemas',
    'template.cue',
  ]);
});

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    test('the Application is for the control plane alone, never takes state away, and takes it over when it is there again', async () => {
      const { apiVersion, kind, spec } = await renderApplication({ version });
      assert.deepEqual({ apiVersion, kind }, { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' });
      assert.deepEqual(
        spec.components.map(({ name, type }) => `${name}: ${type}`),
        ['namespace', 'read-object', 'access', 'executor', 'aftersync-resources'].map((name) => `${name}: k8s-objects`),
      );
      const awaited = spec.components.flatMap(({ name, dependsOn = [] }) =>
        dependsOn.map((other) => `${name}: ${other}`),
      );
      assert.deepEqual(awaited, ['access: namespace', 'executor: access', 'executor: aftersync-resources']);
      const selector = { resourceTypes: ['CustomResourceDefinition', 'PersistentVolumeClaim'] };
      assert.deepEqual(spec.policies, [
        { name: 'local', type: 'topology', properties: { clusters: ['local'] } },
        { name: 'keep-state', type: 'garbage-collect', properties: { rules: [{ selector, strategy: 'never' }] } },
        { name: 'take-over-state', type: 'take-over', properties: { rules: [{ selector }] } },
      ]);
    });

    test('read-object comes under a name of ours for all namespaces, and as read-object where asked for', async () => {
      const placesFor = async (args: object) => {
        const definitions = await renderDefinitions({ version, args: { image, ...args } });
        return definitions.map(({ metadata: { name, namespace } }) => `${namespace}/${name}`);
      };
      const always = 'vela-system/aftersync-read-object';
      assert.deepEqual(await placesFor({}), [always, 'default/read-object']);
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
      for (const object of await renderDefinitions({ version })) {
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
      const [definition] = await renderDefinitions({ version });
      const installed = definition?.spec.schematic.cue.template ?? '';
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
      await assert.rejects(renderApplication({ version, args: { image, readObjectNamespaces: 'default' } }));
      await assert.rejects(renderApplication({ version, args: { image, readObjectNamespaces: [1] } }));
    });

    test('the notes say what to do next, for where the executor runs', async () => {
      const rollOut = /rollout status deployment\/aftersync/;
      const noConnections = /no connections yet.*docs\/install\.md/;
      const tryStep = /kubectl apply -f examples\/01-read-object\.yaml/;
      const first = await renderNotes({ version });
      for (const expected of [rollOut, noConnections, tryStep]) assert.match(first, expected);
      const connected = await renderNotes({ version, args: { image, connections: ['github'] } });
      assert.match(connected, rollOut);
      assert.doesNotMatch(connected, noConnections);
      const elsewhere = await renderNotes({ version, args: { externalExecutor: { address: '10.0.0.7', port: 80 } } });
      assert.match(elsewhere, /your executor at 10\.0\.0\.7, port 80\./);
      assert.match(elsewhere, tryStep);
      assert.doesNotMatch(elsewhere, rollOut);
    });

    test('its files are formatted', async () => {
      for (const name of addonFiles('{*,resources/*,config-templates/*}.cue')) {
        const source = readAddonFile(name);
        assert.equal(await cueFmt({ version, source }), source, name);
      }
    });
  });
}
