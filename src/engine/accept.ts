import type { Execution, ExecutionRequest } from '../core/execution.ts';
import { digestOf, type Json } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type InputMistake, Problem } from '../core/problem.ts';
import type { ReadyGate } from '../core/ready-gate.ts';
import { type ExecutionRequestBody, ExecutionRequestSchema } from '../core/request.ts';
import { fits, mistakesOf, withDefaults } from '../core/schema.ts';
import type { ConnectionUse, Step } from '../core/step.ts';
import type { NewExecution } from '../core/store.ts';
import { type EpochMs, formatDurationMs, parseDurationMs } from '../core/time.ts';
import type { Connections } from './connections.ts';
import type { Submission } from './engine.ts';

const longestTimeoutMs = 35 * 24 * 3_600_000;

export interface Catalogue {
  readonly steps: ReadonlyMap<string, Step>;
  readonly connections: Connections;
  readonly readyGate: ReadyGate;
}

/** The record of a submission, or a Problem that names everything wrong with it. Nothing is stored here. */
export function toNewExecution(submission: Submission, catalogue: Catalogue, now: EpochMs): NewExecution {
  const body = checkedBody(submission.body);
  const step = knownStep(body.step, catalogue);
  const timeoutMs = checkedTimeoutMs(body.timeout ?? step.defaultTimeout);
  const request = body as ExecutionRequest;
  const params = checkedParams(step, request.with, '/with');
  const uses = [...(step.uses?.(params) ?? []), ...gateUses(request, catalogue.readyGate)];
  for (const use of uses) catalogue.connections.assertKnown(use);
  return {
    namespace: submission.namespace,
    id: submission.id,
    request,
    requestDigest: digestOf(request as unknown as Json),
    caller: submission.caller,
    createdAt: now,
    deadline: now + timeoutMs,
    status: { state: 'pending', message: 'accepted', outputs: {}, attempts: 0, effects: [], signals: [], wakeAt: now },
  };
}

export function knownStep(name: string, { steps }: Catalogue): Step {
  const step = steps.get(name);
  if (step !== undefined) return step;
  throw new Problem(
    'unknown-step',
    `there is no step ${JSON.stringify(name)}; there are: ${[...steps.keys()].join(', ')}`,
  );
}

/** What waiting for `readyWhen` takes, after its own check. */
function gateUses({ readyWhen }: ExecutionRequest, gate: ReadyGate): readonly ConnectionUse[] {
  if (readyWhen === undefined) return [];
  assertNone(gate.check(readyWhen).map(({ path, message }) => ({ path: `/readyWhen${path}`, message })));
  return gate.uses(readyWhen);
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

/** A known key answers what stands there if it is the same request; for a workflow's step the first record wins. */
export function assertSameRequest(submission: Submission, stored: Execution): void {
  const body = submission.body as ExecutionRequest;
  const { origin, step } = stored.request;
  const sameOrigin = digestOf((body?.origin ?? null) as Json) === digestOf((origin ?? null) as unknown as Json);
  const isSame =
    origin === undefined
      ? digestOf(submission.body as Json) === stored.requestDigest
      : sameOrigin && body.step === step;
  if (isSame) return;
  throw new Problem(
    'id-conflict',
    `${stored.namespace}/${stored.id} exists with another request (step ${step}, recorded ${new Date(stored.createdAt).toISOString()}); use another id`,
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

function assertNone(mistakes: readonly InputMistake[]): void {
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
