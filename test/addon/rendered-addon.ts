import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

import { cueExport } from '../support/cue/cue.ts';
import type { CueVersion } from '../support/cue/cue-program.ts';

export const addonFolder = join(import.meta.dirname, '../../addon/aftersync');

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly version: string; readonly schematic: { readonly cue: { readonly template: string } } };
}

export interface Application {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: {
    readonly components: readonly {
      readonly name: string;
      readonly type: string;
      readonly properties: { readonly objects: readonly KubernetesObject[] };
    }[];
  };
}

export function readAddonFile(name: string): string {
  return readFileSync(join(addonFolder, name), 'utf8');
}

export const metadata = parse(readAddonFile('metadata.yaml')) as Readonly<Record<string, unknown>>;

interface Rendering {
  readonly version: CueVersion;
  /** What people give to `vela addon enable`. */
  readonly args?: object;
}

/**
 * The Application that KubeVela makes of the addon: parameter.cue, the context and the arguments are one file, and all
 * files of package main are one package (kubevela/kubevela: pkg/addon/render.go, renderApp).
 */
export async function renderApplication({ version, args = {} }: Rendering): Promise<Application> {
  const resources = globSync('resources/*.cue', { cwd: addonFolder });
  const files = Object.fromEntries(
    ['template.cue', ...resources].map((name) => [name.replace('/', '-'), readAddonFile(name)]),
  );
  const output = await cueExport({ version, files: { ...files, 'context.cue': context(args) }, expression: 'output' });
  return output as Application;
}

/** What people read once the addon is enabled (pkg/addon/addon.go, renderNotes): one file, so without imports. */
export async function renderNotes({ version, args = {} }: Rendering): Promise<unknown> {
  const files = { 'notes.cue': `${context(args)}\n${readAddonFile('NOTES.cue')}` };
  return cueExport({ version, files, expression: 'notes' });
}

function context(args: object): string {
  return `${readAddonFile('parameter.cue')}
context: ${JSON.stringify({ metadata })}
parameter: ${JSON.stringify(args)}
`;
}
