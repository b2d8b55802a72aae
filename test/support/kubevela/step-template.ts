import { digestOf, type JsonObject } from '../../../src/core/json.ts';
import { cueExport } from '../cue/cue.ts';
import type { CueVersion } from '../cue/cue-program.ts';
import { isCall, type Operation, operationsIn } from '../cue/evaluate-template.ts';
import { evaluateTogether } from '../cue/template-evaluations.ts';
import type { StepOutcome } from './step-outcome.ts';

/**
 * Which KubeVela is played: 1.10 ends a tick at the first action that decides (a ConditionalWait that does not continue, Fail,
 * Suspend, Break); 1.11 goes on to the next, and the last one counts.
 */
export type KubeVelaVersion = '1.10' | '1.11';

const cueVersionOf: Readonly<Record<KubeVelaVersion, CueVersion>> = { '1.10': '0.9.2', '1.11': '0.14.1' };
const mostKeptEvaluations = 5_000;

/** What a template sees of one tick. */
export interface TemplateInput {
  /** A definition: CUE with a field `template`. */
  readonly definition: string;
  readonly parameter: JsonObject;
  readonly context: JsonObject;
}

export interface TemplateRun extends TemplateInput {
  readonly version: KubeVelaVersion;
  readonly outcome: StepOutcome;
  /** Gives the `$returns` of a call. */
  readonly call: (call: Operation) => Promise<JsonObject>;
}

/**
 * Runs a step's template as one tick does: field by field, each call sent when its turn comes and its answer filled in, each
 * action applied to the outcome. Gives the evaluated template. Throws where the engine would report an error.
 */
export async function runTemplate({ version, outcome, call, ...input }: TemplateRun): Promise<JsonObject> {
  const returns: Record<string, JsonObject> = {};
  const done = new Set<string>();
  let fields = await evaluate(version, input, returns);
  for (;;) {
    const next = operationsIn(fields).find(({ path }) => !done.has(path));
    if (next === undefined) return fields;
    done.add(next.path);
    if (!isCall(next)) {
      if (act(outcome, next) && version === '1.10') return fields;
      continue;
    }
    if (next.path.includes('.')) throw new Error(`a call below the top of a template: ${next.path}`);
    const { header, ...answer } = await call(next);
    // Headers differ from call to call (date): they are left out where nobody reads them, so that evaluations can be shared.
    returns[next.path] = { ...answer, ...(input.definition.includes('.header') && { header }) };
    fields = await evaluate(version, input, returns);
  }
}

/** Whether the action decides. */
function act(outcome: StepOutcome, { name, params: { message, continue: goesOn } }: Operation): boolean {
  const text = typeof message === 'string' ? message : undefined;
  switch (name) {
    case 'builtin.#ConditionalWait':
      if (goesOn === true) return false;
      outcome.wait(text);
      return true;
    case 'builtin.#Fail':
      outcome.fail(text);
      return true;
    case 'builtin.#Suspend':
      outcome.suspend(text ?? '');
      return true;
    case 'builtin.#Break':
      outcome.terminate(text);
      return true;
    case 'builtin.#Message':
      outcome.say(text);
      return false;
    default:
      return false;
  }
}

/** The value of a step's `if`. Throws where it is none. */
export async function evaluateCondition(
  version: KubeVelaVersion,
  condition: string,
  scope: JsonObject,
): Promise<boolean> {
  const source = `condition: ${condition}\n${fieldsOf(scope)}`;
  const value = await kept(digestOf([version, source]), () =>
    cueExport({ version: cueVersionOf[version], files: { 'if.cue': source }, expression: 'condition' }),
  ).catch((error: Error) => {
    const [why = ''] = error.message.split('\n');
    throw new Error(`invalid if value: ${why.replace(/^condition/, 'if').replace(/:$/, '')}`, { cause: error });
  });
  if (typeof value !== 'boolean') throw new Error(`invalid if value: ${JSON.stringify(value)}`);
  return value;
}

const evaluations = new Map<string, Promise<unknown>>();

/** The same source has the same value: a step that waits is evaluated once, however often KubeVela asks. */
async function evaluate(version: KubeVelaVersion, input: TemplateInput, returns: JsonObject): Promise<JsonObject> {
  const { definition, parameter, context } = input;
  const evaluation = await kept(digestOf([version, definition, parameter, context, returns]), () => {
    const answers = Object.fromEntries(Object.entries(returns).map(([name, $returns]) => [name, { $returns }]));
    return evaluateTogether({
      version: cueVersionOf[version],
      definition,
      context,
      filling: { parameter, ...answers },
    });
  });
  return evaluation as JsonObject;
}

function kept(key: string, evaluateNow: () => Promise<unknown>): Promise<unknown> {
  let evaluation = evaluations.get(key);
  if (evaluation === undefined) {
    evaluation = evaluateNow();
    evaluations.set(key, evaluation);
    // Errors too: they are as certain as values.
    evaluation.catch(() => {});
    const [oldest] = evaluations.keys();
    if (evaluations.size > mostKeptEvaluations && oldest !== undefined) evaluations.delete(oldest);
  }
  return evaluation;
}

function fieldsOf(scope: JsonObject): string {
  return Object.entries(scope)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n');
}
