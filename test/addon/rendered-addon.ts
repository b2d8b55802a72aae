import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'yaml';

import { CueError, cueExport, cueVet } from '../support/cue/cue.ts';
import type { CueVersion } from '../support/cue/cue-program.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';

export const addonFolder = join(import.meta.dirname, '../../addon/aftersync');

/** An image, without which there is no executor; nothing pulls it. */
export const image = 'registry.example.com/aftersync:0.2.0';

export interface Application {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: {
    readonly components: readonly {
      readonly name: string;
      readonly type: string;
      readonly dependsOn?: readonly string[];
      readonly properties: { readonly objects: readonly KubernetesObject[] };
    }[];
    readonly policies: readonly { readonly name: string; readonly type: string; readonly properties: object }[];
  };
}

export function readAddonFile(name: string): string {
  return readFileSync(join(addonFolder, name), 'utf8');
}

export function addonFiles(pattern: string): string[] {
  return globSync(pattern, { cwd: addonFolder }).sort();
}

export const metadata = parse(readAddonFile('metadata.yaml')) as Readonly<Record<string, unknown>>;

interface Rendering {
  readonly version: CueVersion;
  /** What people give to `vela addon enable`. */
  readonly args?: object;
}

/**
 * The Application that KubeVela makes of the addon: parameter.cue, the context and the arguments are one file, and all
 * files of package main are one package, in which nothing may be an error (kubevela/kubevela: pkg/addon/render.go,
 * renderApp). Throws a CueError otherwise.
 */
export async function renderApplication({ version, args = { image } }: Rendering): Promise<Application> {
  const sources = ['template.cue', ...addonFiles('resources/*.cue')];
  const files = {
    ...Object.fromEntries(sources.map((name) => [name.replace('/', '-'), readAddonFile(name)])),
    'context.cue': context(args),
  };
  await cueVet({ version, files });
  const { spec, ...application } = (await cueExport({ version, files, expression: 'output' })) as Application;
  return { ...application, spec: { ...spec, components: [...spec.components, ...asTheyAre()] } };
}

/** What is no CUE becomes one more component (renderResources). */
function asTheyAre(): Application['spec']['components'] {
  const objects = addonFiles('resources/*.yaml').map((name) => parse(readAddonFile(name)) as KubernetesObject);
  return objects.length === 0 ? [] : [{ name: 'aftersync-resources', type: 'k8s-objects', properties: { objects } }];
}

/** The sentence with which the addon refuses the arguments. KubeVela shows the first line of the error. */
export async function refusalOf(rendering: Rendering): Promise<string> {
  const error: unknown = await renderApplication(rendering).catch((reason: unknown) => reason);
  assert.ok(error instanceof CueError, 'nothing is refused');
  const [, sentence] = /^refused\."(.*)": field not allowed:$/m.exec(error.message.split('\n')[0] ?? '') ?? [];
  return sentence ?? assert.fail(error.message);
}

/** All objects of a component. */
export function objectsOf({ spec }: Application, component: string): readonly KubernetesObject[] {
  return spec.components.find(({ name }) => name === component)?.properties.objects ?? [];
}

export function objectOf<T>(objects: readonly KubernetesObject[], kind: string, name?: string): T {
  const found = objects.find(
    (object) => object.kind === kind && (name ?? object.metadata.name) === object.metadata.name,
  );
  return (found ?? assert.fail(`there is no ${kind} ${name ?? ''}`)) as T;
}

/** What people read once the addon is enabled (pkg/addon/addon.go, renderNotes): one file, so without imports. */
export async function renderNotes({ version, args = { image } }: Rendering): Promise<string> {
  const files = { 'notes.cue': `${context(args)}\n${readAddonFile('NOTES.cue')}` };
  return String(await cueExport({ version, files, expression: 'notes' }));
}

function context(args: object): string {
  return `${readAddonFile('parameter.cue')}
context: ${JSON.stringify({ metadata })}
parameter: ${JSON.stringify(args)}
`;
}

export interface ConfigTemplate {
  readonly metadata: {
    readonly name: string;
    readonly alias: string;
    readonly description: string;
    readonly sensitive: boolean;
    readonly scope: string;
  };
  readonly secret: { readonly stringData: Readonly<Record<string, string>> } & KubernetesObject;
}

export const configTemplates = addonFiles('config-templates/*.cue').map((path) => ({
  name: basename(path, '.cue'),
  source: readAddonFile(path),
}));

/** A config as `vela config create` makes it (pkg/config/factory.go, ParseConfig). */
export async function renderConfig({
  version,
  source,
  properties,
}: {
  readonly version: CueVersion;
  readonly source: string;
  readonly properties: object;
}): Promise<ConfigTemplate> {
  const files = {
    'template.cue': source,
    'config.cue': `
context: {name: "given", namespace: "vela-system"}
template: parameter: ${JSON.stringify(properties)}
rendered: {"metadata": metadata, secret: template.output}
`,
  };
  return (await cueExport({ version, files, expression: 'rendered' })) as ConfigTemplate;
}
