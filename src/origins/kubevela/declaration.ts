import type { Json, JsonObject } from '../../core/json.ts';
import { part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import type { FieldPath } from './field-path.ts';
import { fieldFedBy } from './parameter-key.ts';
import { objectsIn } from './workflow-status.ts';

/** A step as the author of the workflow wrote it. */
export interface DeclaredStep {
  /** `smoke`, and in a step-group `tests/smoke`. */
  readonly path: string;
  /** With `@version` where one is named. */
  readonly type: string;
  readonly properties: JsonObject;
  /** What its inputs set, each once a workflow runs. */
  readonly fed: readonly FieldPath[];
}

/** Of a workflow's `steps`; those of step-groups follow their group. */
export function declaredSteps(steps: Json | undefined): readonly DeclaredStep[] {
  return objectsIn(steps).flatMap((step) => [
    toDeclaredStep(step, ''),
    ...objectsIn(step.subSteps).map((subStep) => toDeclaredStep(subStep, `${text(step, 'name')}/`)),
  ]);
}

function toDeclaredStep(step: JsonObject, group: string): DeclaredStep {
  const keys = objectsIn(step.inputs).map((input) => text(input, 'parameterKey'));
  return {
    path: group + text(step, 'name'),
    type: text(step, 'type'),
    properties: part(step, 'properties'),
    // Without a key an input is only waited for.
    fed: keys.flatMap((key) => (key === '' ? [] : [fieldFedBy(key) ?? []])).filter((path) => path.length > 0),
  };
}
