import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import type { JsonObject } from '../../src/core/json.ts';
import { steps } from '../../src/steps/index.ts';
import { contexts } from '../definitions/definition-files.ts';
import { type ServedApi, serveApi, success } from '../http/served-api.ts';
import { cueExport, cueFmt, cueVet } from '../support/cue/cue.ts';
import { type CueVersion, cueVersions } from '../support/cue/cue-program.ts';
import { evaluateTemplate } from '../support/cue/evaluate-template.ts';
import { readAddonFile, renderApplication } from './rendered-addon.ts';

interface Package {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly path: string;
    readonly provider: JsonObject;
    readonly templates: Readonly<Record<string, string>>;
  };
}

async function installed(version: CueVersion, args: object): Promise<Package | undefined> {
  const { spec } = await renderApplication({ version, args });
  const component = spec.components.find(({ name }) => name === 'cuex-package');
  return component?.properties.objects[0] as unknown as Package | undefined;
}

/** What is imported as `ext/aftersync`. */
async function packagesOf(version: CueVersion) {
  const { spec } = (await installed(version, { image: 'aftersync:test', cuexPackage: true })) ?? assert.fail();
  const [template, ...others] = Object.values(spec.templates);
  assert.deepEqual(others, []);
  return { [spec.path]: template ?? '' };
}

const documentation = readFileSync(new URL('../../docs/cuex.md', import.meta.url), 'utf8');
const [, example = ''] = /\n```cue\n(.*?)```\n/s.exec(documentation) ?? [];

/** `purge-cdn` as `#PurgeCdn`. */
const functions = steps.map(({ name }) => ({
  name,
  definition: `#${name.replaceAll(/(^|-)(\w)/g, (_all, _dash, letter: string) => letter.toUpperCase())}`,
}));

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-cuex-'));
  writeFileSync(join(folder, 'example.cue'), example);
});
after(() => rm(folder, { recursive: true }));

for (const version of cueVersions) {
  describe(`CUE ${version}`, () => {
    test('the package is installed where it is asked for, under the name that its functions give as provider', async () => {
      assert.equal(await installed(version, { image: 'aftersync:test' }), undefined);
      const { apiVersion, kind, metadata, spec } =
        (await installed(version, { image: 'aftersync:test', cuexPackage: true })) ?? assert.fail();
      assert.deepEqual(
        { apiVersion, kind, metadata },
        {
          apiVersion: 'cue.oam.dev/v1alpha1',
          kind: 'Package',
          metadata: { name: 'aftersync', namespace: 'vela-system' },
        },
      );
      assert.equal(spec.path, 'ext/aftersync');
      assert.deepEqual(spec.provider, {
        protocol: 'http',
        endpoint: 'http://aftersync.vela-system:8080/v1/cuex',
      });
    });

    test('there is a function for each step, and none without one', async () => {
      const packages = await packagesOf(version);
      const source = Object.values(packages).join();
      const found = [...source.matchAll(/^(#\w+): \{\n\t#do:/gm)].map(([, definition]) => definition);
      assert.deepEqual(
        found,
        functions.map(({ definition }) => definition),
      );
      for (const { name, definition } of functions) {
        const file = `import "ext/aftersync"\nfound: [aftersync.${definition}.#do, aftersync.${definition}.#provider]\n`;
        assert.deepEqual(await cueExport({ version, files: { 'a.cue': file }, packages }), {
          found: [name, 'aftersync'],
        });
      }
    });

    test('params that the endpoint would refuse are refused before the call', async () => {
      const packages = await packagesOf(version);
      const origin = 'origin: {kind: "Application", namespace: "a", name: "b", step: "c", sessionID: "d"}';
      const vet = (params: string) => {
        const file = `import "ext/aftersync"\ncall: aftersync.#PurgeCdn & {$params: {${params}}}\n`;
        return cueVet({ version, files: { 'a.cue': file }, packages });
      };
      await vet(`with: tags: ["a"], ${origin}, timeout: "10m", failurePolicy: "ignore", onChange: key: 1`);
      await assert.rejects(vet(`with: {}, ${origin}, tags: []`), /tags.*not allowed/);
      await assert.rejects(vet(`with: {}, ${origin}, failurePolicy: "never"`), /failurePolicy/);
      await assert.rejects(vet(`with: {}, origin: uid: "u"`), /uid.*not allowed/);
    });

    test("the documentation's definition goes through with the real endpoint: waits, fails, and hands outputs on", async (t) => {
      const api = await serveApi();
      t.after(api.close);
      const packages = await packagesOf(version);
      const context = { ...contexts.Application, namespace: 'default' };
      const evaluate = (reply: JsonObject) =>
        evaluateTemplate({
          version,
          definitionPath: join(folder, 'example.cue'),
          parameter: { shop: 'north' },
          context,
          returns: { call: reply },
          packages,
        });
      const params = (await evaluate({})).requests.call ?? assert.fail();
      assert.deepEqual(params.with, { tags: ['release', 'north'] });
      const tick = async (step = 'toy', sent: object = params) => evaluate(await ask(api, step, sent));

      const waiting = await tick();
      assert.deepEqual([waiting.phase, waiting.decision?.params.message], ['running', 'accepted']);
      await api.goOn(context.stepSessionID, success);
      const done = await tick();
      assert.deepEqual([done.phase, done.outputs], ['succeeded', { answer: 42 }]);

      const again = { ...params, origin: { ...(params.origin as JsonObject), sessionID: 'other' } };
      await tick('toy', again);
      await api.goOn('other', { kind: 'failed', reason: 'Rejected', message: 'no such zone' });
      const failed = await tick('toy', again);
      assert.deepEqual([failed.phase, failed.decision?.params.message], ['failed', 'no such zone']);

      const refused = await tick('other-step');
      assert.equal(refused.phase, 'failed');
      assert.match(String(refused.decision?.params.message), /^there is no step "other-step"/);
    });

    test("the documentation's definition asks again where the executor cannot answer, or something else does", async (t) => {
      const api = await serveApi(({ engine }) => ({
        engine: { ...engine, accept: () => Promise.reject(new Error('the disk is full')) },
      }));
      t.after(api.close);
      const packages = await packagesOf(version);
      const definitionPath = join(folder, 'example.cue');
      const tick = { version, definitionPath, parameter: { shop: 'north' }, context: contexts.Application, packages };
      const params = (await evaluateTemplate({ ...tick, returns: { call: {} } })).requests.call ?? assert.fail();
      for (const [reply, message] of [
        [await ask(api, 'toy', params), 'aftersync cannot answer now; asking again'],
        [{}, "the answer is not aftersync's; asking again"],
        [{ error: 'bad gateway' }, "the answer is not aftersync's; asking again"],
      ] as const) {
        const { phase, decision } = await evaluateTemplate({ ...tick, returns: { call: reply } });
        assert.deepEqual([phase, decision?.params.message], ['running', message]);
      }
    });

    test('all of it is formatted', async () => {
      const source = readAddonFile('resources/cuex-package.cue');
      assert.equal(await cueFmt({ version, source }), source);
      const template = Object.values(await packagesOf(version)).join();
      assert.equal(await cueFmt({ version, source: template }), `${template.trimEnd()}\n`);
      assert.equal(await cueFmt({ version, source: example }), example);
    });
  });
}

/** As KubeVela calls a function: it looks at the body alone (kubevela/pkg: cue/cuex/runtime/provider.go). */
async function ask(api: ServedApi, step: string, body: object): Promise<JsonObject> {
  return (await api.call('POST', `/v1/cuex/${step}`, { body })).json;
}
