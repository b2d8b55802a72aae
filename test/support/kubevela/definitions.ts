import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** CUE with a field `template`, by step type; `NAMESPACE/TYPE` goes before `TYPE` there, as in KubeVela. */
export type Definitions = Record<string, string>;

/** What the addon installs with its default parameters, and what the engine brings and is simple enough to be evaluated. */
export function addonDefinitions(): Definitions {
  const readObject = ourDefinition('read-object');
  return {
    'purge-cdn': ourDefinition('purge-cdn'),
    'trigger-github-action': ourDefinition('trigger-github-action'),
    'aftersync-read-object': readObject,
    'default/read-object': readObject,
    'print-message-in-status': printMessageInStatus,
  };
}

export function ourDefinition(name: string): string {
  return readFileSync(join(import.meta.dirname, '../../../definitions', `${name}.cue`), 'utf8');
}

/** Throws as the engine does where there is none. */
export function definitionOf(definitions: Definitions, namespace: string, type: string): string {
  const definition = findDefinition(definitions, namespace, type);
  if (definition === undefined) throw new Error(`can't find task generator: ${type}`);
  return definition;
}

export function findDefinition(definitions: Definitions, namespace: string, type: string): string | undefined {
  const name = type.replace(/@v\d.*$/, '');
  return definitions[`${namespace}/${name}`] ?? definitions[name];
}

const printMessageInStatus = `import "vela/builtin"

template: {
	say: builtin.#Message & {$params: parameter}
	parameter: message: string
}
`;
