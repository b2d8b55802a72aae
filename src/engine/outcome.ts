import { Rejected } from '../core/effect.ts';
import { isJsonObject, type Json, type JsonObject, jsonBytes, throughJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { reasons } from '../core/reason.ts';
import { mistakesOf } from '../core/schema.ts';
import type { Outcome, Step } from '../core/step.ts';
import { shortText } from './short-text.ts';

/**
 * What a step returned, held to its contract: TypeScript cannot see what a provider's answer brought into it.
 * `earlier`: the outputs that it adds to. Throws Rejected as StepBroken or TooLarge.
 */
export function checkedOutcome(step: Step, outcome: unknown, earlier: JsonObject): Outcome {
  const given = asJson(step, outcome);
  const broken = (why: string) => new Rejected('StepBroken', `step ${step.name} returned ${why}`);
  if (!isJsonObject(given)) throw broken('no outcome');
  const outputs = checkedOutputs(step, given.outputs ?? {}, given.kind === 'succeeded');
  assertSize(step, 'outputs', { ...earlier, ...outputs }, limits.outputsBytes);
  if (given.message !== undefined && typeof given.message !== 'string') throw broken('a message that is no text');
  const message = given.message === undefined ? undefined : shortText(given.message);
  switch (given.kind) {
    case 'succeeded':
      return { kind: 'succeeded', outputs, ...(message === undefined ? {} : { message }) };
    case 'failed': {
      const reason = Object.keys(reasons).find((known) => known === given.reason) as keyof typeof reasons | undefined;
      if (reason === undefined || message === undefined) throw broken('a failure without a known reason and a message');
      return { kind: 'failed', reason, message, outputs };
    }
    case 'waiting': {
      const { until, signals = [], state } = given;
      if (message === undefined) throw broken('a wait without a message');
      if (until !== undefined && typeof until !== 'number') throw broken('a wait until something that is no time');
      if (!Array.isArray(signals) || !signals.every((signal) => typeof signal === 'string')) {
        throw broken('signals that are no texts');
      }
      if (until === undefined && signals.length === 0) throw broken('a wait for nothing');
      if (state !== undefined) assertSize(step, 'state', state, limits.stepStateBytes);
      return {
        kind: 'waiting',
        message,
        signals,
        outputs,
        ...(until === undefined ? {} : { until }),
        ...(state === undefined ? {} : { state }),
      };
    }
    default:
      throw broken(`an outcome of no known kind`);
  }
}

/** Through its JSON text, as it will be stored: what cannot be stored is found here. */
function asJson(step: Step, value: unknown): Json | undefined {
  try {
    return throughJson(value);
  } catch (error) {
    throw new Rejected('StepBroken', `step ${step.name} returned something that is not JSON`, { cause: error });
  }
}

function checkedOutputs(step: Step, outputs: Json, whole: boolean): JsonObject {
  if (!isJsonObject(outputs)) throw new Rejected('StepBroken', `step ${step.name} returned outputs that are no object`);
  const [mistake] = whole ? mistakesOf(step.outputs, outputs) : [];
  if (mistake !== undefined) {
    throw new Rejected(
      'StepBroken',
      `step ${step.name} returned outputs that it does not declare: ${mistake.path} ${mistake.message}`,
    );
  }
  return outputs;
}

function assertSize(step: Step, what: string, value: Json, mostBytes: number): void {
  const bytes = jsonBytes(value);
  if (bytes > mostBytes) {
    throw new Rejected(
      'TooLarge',
      `the ${what} of step ${step.name} have ${bytes} bytes; at most ${mostBytes} are kept`,
    );
  }
}
