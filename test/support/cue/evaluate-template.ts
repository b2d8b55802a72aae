import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { cueExport } from './cue.ts';
import type { CueVersion } from './cue-program.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** One tick of a workflow step: what KubeVela's engine would hand to the template. */
export interface Tick {
  readonly version: CueVersion;
  /** A KubeVela definition: a CUE file with a `template`. */
  readonly definitionPath: string;
  readonly parameter: JsonObject;
  readonly context: JsonObject;
  /** `$returns` by the name of the template's field that holds the call: all calls that this tick makes, no other. */
  readonly returns: Readonly<Record<string, JsonObject>>;
  /** Packages of CueX that the template imports, as in CuePackage. */
  readonly packages?: Readonly<Record<string, string>>;
}

/** A call or an action of the template, by the path of its field. */
export interface Operation {
  readonly path: string;
  /** As the template names it, for example `builtin.#Fail`. */
  readonly name: string;
  readonly params: JsonObject;
}

/** How the engine leaves the step after the tick. */
export type Phase = 'running' | 'suspended' | 'failed' | 'succeeded';

export interface TickResult {
  /** The calls' `$params`, by field name, evaluated without the call's own `$returns`, as the engine needs them. */
  readonly requests: Readonly<Record<string, JsonObject>>;
  /** Everything else that the template does, in no particular order: the versions of CUE order fields differently. */
  readonly actions: readonly Operation[];
  /** The action that decides the phase: a ConditionalWait with `continue: false`, Fail, Suspend or Break. */
  readonly decision: Operation | undefined;
  readonly phase: Phase;
  /** The template's field `outputs`. */
  readonly outputs: unknown;
  /** The whole template as evaluated, for what a later step may read of it. */
  readonly fields: JsonObject;
}

const phases: Readonly<Record<string, Phase>> = {
  'builtin.#Break': 'succeeded',
  'builtin.#ConditionalWait': 'running',
  'builtin.#Fail': 'failed',
  'builtin.#Suspend': 'suspended',
};

/**
 * Evaluates the template of a workflow step definition as KubeVela's engine does in one tick, with the calls answered
 * from `returns`. Throws a CueError where the engine would report a CUE error, and an Error where two actions decide at
 * once, since KubeVela 1.10 and 1.11 then differ in the phase.
 */
export async function evaluateTemplate(tick: Tick): Promise<TickResult> {
  const files = {
    [basename(tick.definitionPath)]: await readFile(tick.definitionPath, 'utf8'),
    'tick.cue': tickSource(tick),
  };
  const { version, packages = {} } = tick;
  const exported = (await cueExport({ version, files, packages, expression: 'evaluation' })) as {
    requests: Record<string, JsonObject>;
    fields: JsonObject;
  };

  const operations = operationsIn(exported.fields);
  const unanswered = operations.find((operation) => isCall(operation) && !Object.hasOwn(tick.returns, operation.path));
  if (unanswered) throw new Error(`the template calls ${unanswered.name} at ${unanswered.path}, which has no $returns`);

  const actions = operations.filter((operation) => !isCall(operation));
  const deciding = actions.filter(({ name, params }) => name in phases && params.continue !== true);
  if (deciding.length > 1) {
    throw new Error(
      `more than one action decides: ${deciding.map(({ name, path }) => `${name} at ${path}`).join(', ')}`,
    );
  }
  const [decision] = deciding;
  const phase = (decision && phases[decision.name]) ?? 'succeeded';
  return { ...exported, actions, decision, phase, outputs: exported.fields.outputs };
}

/** Whether it has an answer, `$returns`, unlike an action. */
export function isCall({ name }: Operation): boolean {
  return name.startsWith('http.') || name.startsWith('kube.');
}

/** CUE that fills the template. JSON is CUE. */
function tickSource({ parameter, context, returns }: Tick): string {
  const calls = Object.keys(returns);
  const filled = (answered: readonly string[]) => {
    const answers = Object.fromEntries(answered.map((call) => [call, { $returns: returns[call] }]));
    return `template & ${JSON.stringify({ parameter, ...answers })}`;
  };
  // Only a let may be incomplete elsewhere: CUE requires fields to be concrete, and CUE 0.14.1 reports a cycle where
  // the conjunction stands in the selector.
  const requests = calls.map((call, index) => {
    const others = calls.filter((other) => other !== call);
    return `let before${index} = ${filled(others)}
  requests: ${JSON.stringify(call)}: before${index}[${JSON.stringify(call)}].$params`;
  });
  return `
context: ${JSON.stringify(context)}
evaluation: {
  requests: {}
  ${requests.join('\n  ')}
  fields: ${filled(calls)}
}`;
}

/** In the order of the fields. Our stand-ins for KubeVela's packages mark each call and action with `$do`. */
export function operationsIn(value: unknown, path: readonly string[] = []): Operation[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('$do' in value && '$params' in value) {
    return [{ path: path.join('.'), name: String(value.$do), params: value.$params as JsonObject }];
  }
  return Object.entries(value).flatMap(([name, field]) => operationsIn(field, [...path, name]));
}
