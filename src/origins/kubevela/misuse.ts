import type { JsonObject } from '../../core/json.ts';
import { part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import type { DeclaredStep } from './declaration.ts';
import { withoutVersion } from './definition.ts';

/** KubeVela has a step of this name too, which takes no notice of parameters that it does not know. */
const sharedName = 'read-object';

/** What of read-object's only ours knows; a test compares it with the step. */
export const ownParameters: readonly string[] = [
  'connection',
  'executor',
  'failurePolicy',
  'missing',
  'onChange',
  'readyWhen',
  'select',
  'timeout',
  'waitFor',
];

/** The paths of steps that give our parameters to the built-in, by the definitions that the revision was made with. */
export function misusedSteps(steps: readonly DeclaredStep[], definitions: JsonObject): readonly string[] {
  return steps
    .filter(({ type, properties }) => {
      if (withoutVersion(type) !== sharedName || !ownParameters.some((name) => Object.hasOwn(properties, name)))
        return false;
      const template = text(part(part(part(part(definitions, type), 'spec'), 'schematic'), 'cue'), 'template');
      return template !== '' && !template.includes('aftersync');
    })
    .map(({ path }) => path);
}
