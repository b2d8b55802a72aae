import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import type { Step } from '../../src/core/step.ts';
import { steps } from '../../src/steps/index.ts';

const folder = join(import.meta.dirname, '../../definitions');

/** One of definitions/*.cue. */
export interface DefinitionFile {
  readonly name: string;
  readonly path: string;
  readonly source: string;
  readonly step: Step;
}

export const definitionFiles: readonly DefinitionFile[] = readdirSync(folder)
  .sort()
  .map((file) => {
    const name = basename(file, '.cue');
    const step = steps.find((known) => known.name === name);
    assert.ok(step, `definitions/${file} has no step of its name in src/steps/index.ts`);
    const path = join(folder, file);
    return { name, path, source: readFileSync(path, 'utf8'), step };
  });

/** The version in the definition's metadata, which KubeVela knows it by. */
export function versionOf({ name, source }: Pick<DefinitionFile, 'name' | 'source'>): string {
  const [, version] = /^\tattributes: version: +"(\d+\.\d+\.\d+)"$/m.exec(source) ?? [];
  return version ?? assert.fail(`${name} has no version x.y.z`);
}

/** What KubeVela lets a template know while it checks it (kubevela/kubevela: pkg/cue/base_template.go). */
export const contextDeclaration = `
context: {
  name: string
  config?: [...{
    name: string
    value: string
  }]
  ...
}
`;

/** What a template knows of the step in an Application, and in a WorkflowRun. */
export const contexts = {
  Application: { name: 'shop', namespace: 'prod', appName: 'shop', stepName: 'after', stepSessionID: 'abc0123456' },
  WorkflowRun: { name: 'nightly', namespace: 'prod', stepName: 'after', stepSessionID: 'abc0123456' },
} as const;

/** The least that each step takes. */
export const leastParameters: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'purge-cdn': { tags: ['web'] },
  'read-object': { kind: 'Deployment', name: 'web' },
  'trigger-github-action': { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};
