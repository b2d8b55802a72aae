import type { ExecutionRequest } from '../../core/execution.ts';
import type { JsonObject } from '../../core/json.ts';
import type { DeclaredStep } from './declaration.ts';
import { differenceInWords, firstDifference } from './difference.ts';
import { fromPointer, overlap, toPointer, withoutField } from './field-path.ts';

/** Which fields may not come from a workflow's inputs. */
export interface InputPolicy {
  /** Fields of a step's request that carry authority, as JSON Pointers. */
  authorityOf(step: string): readonly string[];
  /** Those that may all the same: step and JSON Pointer, `read-object/kind`. */
  readonly authorityFromInputs: readonly string[];
}

/** What the author of the workflow decides, once and for all: the properties that no input sets. */
export function fixedProperties({ properties, fed }: DeclaredStep): JsonObject {
  // Where we are is for KubeVela to know; it is not in the request.
  const { executor: _, ...forUs } = properties;
  return fed.reduce(withoutField, forUs);
}

/**
 * What the step does that it must not: ask for anything but what it declares and its inputs set, or let inputs set what
 * carries authority. Undefined: nothing.
 */
export function disagreement(
  request: ExecutionRequest,
  declared: DeclaredStep,
  policy: InputPolicy,
): string | undefined {
  return inputRefused(request.step, declared, policy) ?? differing(request, declared);
}

function inputRefused(
  step: string,
  { fed }: DeclaredStep,
  { authorityOf, authorityFromInputs }: InputPolicy,
): string | undefined {
  for (const field of authorityOf(step)) {
    const path = fed.find((path) => overlap(path, fromPointer(field)));
    if (path === undefined || authorityFromInputs.includes(step + field)) continue;
    return (
      `has an input that feeds ${toPointer(path)}, and ${field} decides what is acted on with whose rights: set it in properties, ` +
      `or ask who runs aftersync to allow it with kubevela.authorityFromInputs: [${JSON.stringify(step + field)}]`
    );
  }
  return undefined;
}

function differing(request: ExecutionRequest, declared: DeclaredStep): string | undefined {
  const { with: params, timeout, failurePolicy, onChange, readyWhen } = request;
  const asked = { ...params, timeout, failurePolicy, onChange: onChange as JsonObject | undefined, readyWhen };
  const difference = firstDifference(fixedProperties(declared), declared.fed.reduce(withoutField, asked));
  return difference && `asks for something else than it declares: ${differenceInWords(difference)}`;
}
