import type { ChangeGate, OnChange } from '../core/change-gate.ts';
import { type Execution, type ExecutionRequest, initialStatus, type Origin } from '../core/execution.ts';
import { isSameJson, type Json } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type InputMistake, Problem } from '../core/problem.ts';
import type { ReadyGate } from '../core/ready-gate.ts';
import { type ExecutionRequestBody, ExecutionRequestSchema } from '../core/request.ts';
import { fits, mistakesOf, withDefaults } from '../core/schema.ts';
import type { Step } from '../core/step.ts';
import type { NewExecution } from '../core/store.ts';
import { type EpochMs, formatDurationMs, parseDurationMs } from '../core/time.ts';
import { gateUses } from './admission.ts';
import type { Connections } from './connections.ts';
import type { Submission } from './engine.ts';

const longestTimeoutMs = 35 * 24 * 3_600_000;

export interface Catalogue {
  readonly steps: ReadonlyMap<string, Step>;
  readonly connections: Connections;
  readonly readyGate: ReadyGate;
  readonly changeGate: ChangeGate;
  readonly areOriginsProven: boolean;
}

/** The record of a submission, or a Problem that names everything wrong with it. Nothing is stored here. */
export function toNewExecution(submission: Submission, catalogue: Catalogue, now: EpochMs): NewExecution {
  const body = checkedBody(submission.body);
  const step = knownStep(body.step, catalogue);
  const timeoutMs = checkedTimeoutMs(body.timeout ?? step.defaultTimeout);
  const request = body as ExecutionRequest;
  const params = checkedParams(step, request.with, '/with');
  assertNone([...mistakesInOrigin(request, submission, catalogue), ...mistakesInGates(request, catalogue)]);
  const { onChange, readyWhen } = gateUses({ request }, catalogue);
  for (const use of [...(step.uses?.(params) ?? []), ...onChange, ...readyWhen]) {
    catalogue.connections.assertKnown(use, submission.namespace);
  }
  const originStep = originStepOf(request, submission, catalogue);
  return {
    namespace: submission.namespace,
    id: submission.id,
    request,
    caller: submission.caller,
    createdAt: now,
    deadline: now + timeoutMs,
    status: initialStatus(now, originStep),
  };
}

/** Why one that was put into the store by other hands could not have been accepted; undefined where it could. */
export function mistakeIn(execution: Execution, catalogue: Catalogue): string | undefined {
  try {
    toNewExecution({ ...execution, body: execution.request }, catalogue, execution.createdAt);
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}

export function knownStep(name: string, { steps }: Catalogue): Step {
  const step = steps.get(name);
  if (step !== undefined) return step;
  throw new Problem(
    'unknown-step',
    `there is no step ${JSON.stringify(name)}; there are: ${[...steps.keys()].join(', ')}`,
  );
}

/** What is proven is proven of a session: with another id one session could act twice. */
function mistakesInOrigin(
  { origin }: ExecutionRequest,
  { id, namespace }: Submission,
  { areOriginsProven }: Catalogue,
): readonly InputMistake[] {
  if (origin === undefined || !areOriginsProven) return [];
  return [
    ...(origin.sessionID === id ? [] : [{ path: '/origin/sessionID', message: `expected the execution's id ${id}` }]),
    ...(origin.namespace === namespace
      ? []
      : [{ path: '/origin/namespace', message: `expected the execution's namespace ${namespace}` }]),
  ];
}

function mistakesInGates(request: ExecutionRequest, { readyGate, changeGate }: Catalogue): readonly InputMistake[] {
  const { readyWhen, onChange, origin } = request;
  const below = (at: string) => (mistake: InputMistake) => ({ ...mistake, path: at + mistake.path });
  return [
    ...(readyWhen === undefined ? [] : readyGate.check(readyWhen).map(below('/readyWhen'))),
    ...(onChange === undefined
      ? []
      : [...changeGate.check(onChange), ...mistakesInScope(onChange, origin)].map(below('/onChange'))),
  ];
}

function mistakesInScope({ scope, component }: OnChange, origin: Origin | undefined): readonly InputMistake[] {
  const mistakes: InputMistake[] = [];
  if (origin !== undefined && scope !== undefined) {
    mistakes.push({ path: '/scope', message: 'is for callers of the API: a workflow step is compared with itself' });
  }
  if (origin === undefined && scope === undefined) {
    mistakes.push({ path: '/scope', message: 'expected the name of what recurs, such as shop-web' });
  }
  if (component !== undefined && origin?.kind !== 'Application') {
    mistakes.push({ path: '/component', message: 'is for steps of an Application: name an object instead' });
  }
  return mistakes;
}

/** Known before the start only where it needs no proof. */
function originStepOf(
  { step, origin, onChange }: ExecutionRequest,
  { namespace }: Submission,
  { areOriginsProven }: Catalogue,
): string | undefined {
  if (origin === undefined) return onChange && `api/${namespace}/${step}/${onChange.scope}`;
  return areOriginsProven ? undefined : `${origin.kind}/${origin.namespace}/${origin.name}/${origin.step}`;
}

/** The parameters with the schema's defaults. Paths of mistakes begin with `at`. */
export function checkedParams(step: Step, given: unknown, at: string): unknown {
  const params = withDefaults(step.params, given);
  const mistakes = mistakesOf(step.params, params);
  // The step's own checks may rely on the schema.
  const found = mistakes.length > 0 ? mistakes : (step.check?.(params) ?? []);
  assertNone(found.map(({ path, message }) => ({ path: at + path, message })));
  return params;
}

/** Before defaults, so that a new default makes no other request of an old one. */
export function isSameRequest(body: unknown, { request }: Pick<Execution, 'request'>): boolean {
  return isSameJson(body as Json, request as unknown as Json);
}

/** A known key answers what stands there if it is the same request; for a workflow's step the first record wins. */
export function assertSameRequest(submission: Submission, stored: Execution): void {
  const body = submission.body as ExecutionRequest;
  const { origin, step } = stored.request;
  const isSame =
    origin === undefined
      ? isSameRequest(submission.body, stored)
      : isSameJson((body?.origin ?? null) as unknown as Json, origin as unknown as Json) && body.step === step;
  if (isSame) return;
  // Who says to be a workflow is not known: it is told nothing of what others asked.
  const which =
    body?.origin === undefined ? ` (step ${step}, recorded ${new Date(stored.createdAt).toISOString()})` : '';
  throw new Problem(
    'id-conflict',
    `${stored.namespace}/${stored.id} exists with another request${which}; use another id`,
  );
}

function checkedBody(body: unknown): ExecutionRequestBody {
  if (!fits(ExecutionRequestSchema, body)) assertNone(mistakesOf(ExecutionRequestSchema, body));
  return body as ExecutionRequestBody;
}

function checkedTimeoutMs(text: string): number {
  const timeoutMs = parseDurationMs(text) ?? 0;
  if (timeoutMs < 1_000 || timeoutMs > longestTimeoutMs) {
    assertNone([{ path: '/timeout', message: `expected 1s to ${formatDurationMs(longestTimeoutMs)}, found ${text}` }]);
  }
  return timeoutMs;
}

/** Throws a Problem that names all of them, where there are any. */
export function assertNone(mistakes: readonly InputMistake[]): void {
  if (mistakes.length === 0) return;
  const text = mistakes.map(({ path, message }) => `${path === '' ? 'the body' : path} ${message}`).join('; ');
  throw new Problem('invalid-parameters', text, { mistakes });
}

export function tooMany(): Problem {
  return new Problem(
    'too-many-executions',
    `${limits.unfinishedExecutions} executions are unfinished; try again later`,
    {
      retryAfterSeconds: 10,
    },
  );
}
