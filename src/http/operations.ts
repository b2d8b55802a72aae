import { type TSchema, Type } from '@sinclair/typebox';
import { executionStates } from '../core/execution.ts';
import { limits } from '../core/limits.ts';
import type { ProblemCode } from '../core/problem.ts';
import { labelPattern } from '../core/request.ts';
import { durationPattern } from '../core/time.ts';
import type { ComponentName } from './components.ts';
import { longestIdempotencyKey } from './own-ids.ts';

interface Parameter {
  readonly description: string;
  readonly schema: TSchema;
}

interface AnswerShape {
  readonly description: string;
  /** JSON of this schema, or something else of this content type; absent: no body. */
  readonly content?: { readonly component: ComponentName } | { readonly type: string };
  /** Where the execution is read. */
  readonly hasLocation?: boolean;
}

/** One call of the API: routes, the query check, the OpenAPI document and the metrics' labels are made of this. */
export interface Operation {
  readonly method: 'get' | 'post' | 'put';
  /** As OpenAPI writes it: `/v1/executions/{id}:cancel`. */
  readonly path: string;
  readonly summary: string;
  /** Who is answered: those who authenticate, also the steps of workflows, which are their own proof, or all. */
  readonly access: 'callers' | 'callers-and-workflows' | 'everybody';
  readonly query: Readonly<Record<string, Parameter>>;
  readonly headers?: Readonly<Record<string, Parameter>>;
  readonly body?: ComponentName;
  readonly answers: Readonly<Record<number, AnswerShape>>;
  /** Beside those that follow from access, path, query and body. */
  readonly problems: readonly ProblemCode[];
  /** Problems, too, are told in an answer with status 200. */
  readonly isAlwaysOk?: boolean;
}

const namespace = {
  description: "The execution's namespace. Default: the origin's, else the executor's own.",
  schema: Type.String({ pattern: labelPattern }),
};

/** `<kind>/<namespace>/<name>`, or with `/<step>` behind it. */
export const originFilterPattern = '^(Application|WorkflowRun)(/[^/]+){2,3}$';

const filters = {
  namespace: {
    description: "A namespace, or * for all that the caller may read. Default: the executor's own.",
    schema: Type.String({ pattern: `^[*]$|${labelPattern}` }),
  },
  step: { description: 'Only executions of this step.', schema: Type.String() },
  state: {
    description: 'Only executions in one of these states; repeated, or with commas.',
    schema: Type.Array(Type.Union(executionStates.map((state) => Type.Literal(state)))),
  },
};

function execution(description: string, hasLocation = false): AnswerShape {
  return { description, content: { component: 'Execution' }, hasLocation };
}

const acceptProblems = [
  'id-conflict',
  'origin-missing',
  'origin-not-supported',
  'too-many-executions',
  'unknown-connection',
  'unknown-step',
] as const;

/** In the order in which routes are tried: `{id}:cancel` before `{id}`, which would take the colon too. */
export const operations = {
  cancelExecution: {
    method: 'post',
    path: '/v1/executions/{id}:cancel',
    summary: 'Ask an execution to end. What it has sent is not taken back.',
    access: 'callers',
    query: { namespace },
    answers: { 202: execution('The stop is stored.') },
    problems: ['not-found', 'already-final'],
  },
  retryExecution: {
    method: 'post',
    path: '/v1/executions/{id}:retry',
    summary: 'Create a new execution, `<id>-r<n>`, with the same request.',
    access: 'callers',
    query: { namespace },
    answers: { 201: execution('The new execution.', true) },
    problems: [
      'not-found',
      'not-final',
      'origin-owned',
      'too-many-executions',
      // The steps and connections of this release may no longer take what an older one took.
      'invalid-parameters',
      'unknown-step',
      'unknown-connection',
    ],
  },
  followExecution: {
    method: 'get',
    path: '/v1/executions/{id}/events',
    summary: 'Server-sent events: the execution as it stands, then each change, until its end.',
    access: 'callers',
    query: { namespace },
    answers: { 200: { description: 'Events named `execution`.', content: { type: 'text/event-stream' } } },
    problems: ['not-found', 'too-many-streams'],
  },
  putExecution: {
    method: 'put',
    path: '/v1/executions/{id}',
    summary: 'Create the execution if it is absent, else return it as it stands.',
    access: 'callers-and-workflows',
    query: { namespace },
    body: 'ExecutionRequest',
    answers: { 200: execution('It was there.'), 201: execution('It was created.', true) },
    problems: acceptProblems,
  },
  getExecution: {
    method: 'get',
    path: '/v1/executions/{id}',
    summary: 'Read an execution, or wait for its end.',
    access: 'callers',
    query: {
      namespace,
      wait: {
        description: 'Answer at the final state, or after this time, at most 60s.',
        schema: Type.String({ pattern: durationPattern }),
      },
    },
    answers: { 200: execution('The execution as it stands.') },
    problems: ['not-found', 'too-many-waits'],
  },
  postExecution: {
    method: 'post',
    path: '/v1/executions',
    summary: 'Create an execution whose id follows from the Idempotency-Key, or is new.',
    access: 'callers',
    query: { namespace },
    headers: {
      'Idempotency-Key': {
        description: 'The same key from the same caller in the same namespace finds the same execution.',
        schema: Type.String({ minLength: 1, maxLength: longestIdempotencyKey }),
      },
    },
    body: 'ExecutionRequest',
    answers: { 200: execution('The key is known.', true), 201: execution('It was created.', true) },
    problems: [...acceptProblems, 'invalid-id'],
  },
  listExecutions: {
    method: 'get',
    path: '/v1/executions',
    summary: 'List executions, newest first.',
    access: 'callers',
    query: {
      ...filters,
      origin: {
        description: 'Only those of an origin: `<kind>/<namespace>/<name>`, or with `/<step>` behind it.',
        schema: Type.String({ pattern: originFilterPattern }),
      },
      limit: {
        description: 'How many at most.',
        schema: Type.Integer({ minimum: 1, maximum: limits.pageItems, default: 100 }),
      },
      continue: { description: 'From the page before.', schema: Type.String({ minLength: 1 }) },
    },
    answers: { 200: { description: 'A page.', content: { component: 'ExecutionList' } } },
    problems: [],
  },
  followExecutions: {
    method: 'get',
    path: '/v1/events',
    summary: 'Server-sent events: each change from now on.',
    access: 'callers',
    query: filters,
    answers: { 200: { description: 'Events named `execution`.', content: { type: 'text/event-stream' } } },
    problems: ['too-many-streams'],
  },
  callCuex: {
    method: 'post',
    path: '/v1/cuex/{step}',
    summary: 'For CueX packages of KubeVela: create the execution of a workflow step if it is absent, else return it.',
    access: 'callers-and-workflows',
    query: {},
    body: 'CuexParams',
    answers: {
      200: { description: 'The execution as it stands, or what is wrong.', content: { component: 'CuexAnswer' } },
    },
    problems: acceptProblems,
    isAlwaysOk: true,
  },
  planStep: {
    method: 'post',
    path: '/v1/steps/{step}:plan',
    summary: 'What a step would do with these parameters. Nothing is sent.',
    access: 'callers',
    query: { namespace },
    body: 'PlanRequest',
    answers: { 200: { description: 'The plan.', content: { component: 'Plan' } } },
    problems: ['unknown-step', 'plan-not-supported', 'unknown-connection'],
  },
  receiveGitHubWebhook: {
    method: 'post',
    path: '/v1/hooks/github',
    summary:
      "GitHub's webhooks. An event of a workflow run makes who waits for the run look at it; others are ignored.",
    access: 'everybody',
    query: {},
    headers: {
      'X-GitHub-Event': { description: 'What the event is.', schema: Type.String() },
      'X-Hub-Signature-256': {
        description: 'By the webhookSecretFile of a connection.',
        schema: Type.String({ pattern: '^sha256=[0-9a-fA-F]{64}$' }),
      },
    },
    body: 'WebhookEvent',
    answers: { 204: { description: 'It was heard.' } },
    problems: ['bad-signature', 'not-found', 'unavailable'],
  },
  listSteps: {
    method: 'get',
    path: '/v1/steps',
    summary: 'The steps that there are, with their JSON Schemas.',
    access: 'callers',
    query: {},
    answers: { 200: { description: 'All steps.', content: { component: 'StepList' } } },
    problems: [],
  },
  getOpenApi: {
    method: 'get',
    path: '/openapi.json',
    summary: 'This document.',
    access: 'everybody',
    query: {},
    answers: { 200: { description: 'OpenAPI 3.1.', content: { type: 'application/json' } } },
    problems: [],
  },
  getHealth: {
    method: 'get',
    path: '/healthz',
    summary: 'Whether the process answers.',
    access: 'everybody',
    query: {},
    answers: { 200: { description: 'It does.', content: { type: 'text/plain' } } },
    problems: [],
  },
  getReadiness: {
    method: 'get',
    path: '/readyz',
    summary: 'Whether requests can be taken.',
    access: 'everybody',
    query: {},
    answers: { 200: { description: 'They can.', content: { type: 'text/plain' } } },
    problems: ['unavailable'],
  },
  getMetrics: {
    method: 'get',
    path: '/metrics',
    summary: 'Metrics for Prometheus.',
    access: 'everybody',
    query: {},
    answers: { 200: { description: 'Text exposition format.', content: { type: 'text/plain' } } },
    problems: [],
  },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof operations;

/** All problems that an operation can answer. */
export function problemsOf(operation: Operation): ReadonlySet<ProblemCode> {
  const codes = new Set<ProblemCode>([...operation.problems, 'host-not-allowed', 'internal']);
  for (const [applies, implied] of [
    [operation.access !== 'everybody', ['unauthenticated', 'forbidden', 'unavailable', 'invalid-query']],
    ['namespace' in operation.query || operation.path.includes('{id}'), ['invalid-id']],
    [
      operation.body !== undefined,
      ['unsupported-media-type', 'body-too-large', 'malformed-json', 'invalid-parameters'],
    ],
  ] as const) {
    if (applies) for (const code of implied) codes.add(code);
  }
  return codes;
}
