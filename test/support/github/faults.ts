import { type Static, Type } from '@sinclair/typebox';
import type { EpochMs } from '../../../src/core/time.ts';
import { type Answer, html, JSON_TYPE, json, Refusal } from './answer.ts';
import type { RecordedRequest } from './request-log.ts';
import type { RouteName } from './routes.ts';

const accepted = Type.Optional(
  Type.Boolean({ description: 'Default true: the request was carried out all the same.' }),
);
const retryAfterSeconds = Type.Optional(
  Type.Union([Type.Number(), Type.Null()], { description: 'Default 60; null: no Retry-After.' }),
);

const FaultKindSchema = Type.Union([
  /** The request is carried out, its answer is lost. */
  Type.Object({ kind: Type.Literal('accept-then-502') }),
  Type.Object({ kind: Type.Literal('accept-then-reset') }),
  Type.Object({ kind: Type.Literal('accept-then-hang') }),
  /** The request is carried out, and its answer breaks off in the middle. */
  Type.Object({ kind: Type.Literal('truncated-200') }),
  /** Answers that say yes and cannot be read. */
  Type.Object({ kind: Type.Literal('html-200'), accepted }),
  Type.Object({ kind: Type.Literal('broken-json-200'), accepted }),
  Type.Object({ kind: Type.Literal('200-with-error-inside'), accepted }),
  Type.Object({ kind: Type.Literal('empty-200'), accepted }),
  /** Nothing is done. */
  Type.Object({ kind: Type.Literal('reject-502') }),
  Type.Object({ kind: Type.Literal('reset-before') }),
  Type.Object({ kind: Type.Literal('hang-before') }),
  Type.Object({ kind: Type.Literal('500') }),
  Type.Object({ kind: Type.Literal('429'), retryAfterSeconds }),
  Type.Object({ kind: Type.Literal('403-primary'), resetInSeconds: Type.Optional(Type.Number()) }),
  Type.Object({ kind: Type.Literal('403-secondary'), retryAfterSeconds }),
  /** Carried out at once, answered late. */
  Type.Object({ kind: Type.Literal('slow'), forMs: Type.Number() }),
]);

/** A fault as JSON: what happens, and which of the matching requests it hits. */
export const FaultSchema = Type.Intersect([
  FaultKindSchema,
  Type.Object({
    times: Type.Optional(Type.Number({ description: 'How many requests it hits. Default 1.' })),
    skip: Type.Optional(Type.Number({ description: 'How many matching requests pass first. Default 0.' })),
  }),
]);

type FaultKind = Static<typeof FaultKindSchema>;
export type Fault = Static<typeof FaultSchema> & { readonly when?: (request: RecordedRequest) => boolean };

export interface FaultHandle {
  /** How many requests it has hit. */
  readonly hits: number;
  remove(): void;
}

/** How a request ends on the wire. */
export type Delivery =
  | { readonly how: 'answer'; readonly answer: Answer; readonly afterMs?: number }
  | { readonly how: 'truncate'; readonly answer: Answer }
  | { readonly how: 'reset' }
  | { readonly how: 'hang' };

interface Armed {
  readonly route: RouteName | 'any';
  readonly fault: Fault;
  skip: number;
  left: number;
  hits: number;
}

export class Faults {
  #armed: Armed[] = [];

  add(route: RouteName | 'any', fault: Fault): FaultHandle {
    const armed: Armed = { route, fault, skip: fault.skip ?? 0, left: fault.times ?? 1, hits: 0 };
    this.#armed.push(armed);
    return {
      get hits() {
        return armed.hits;
      },
      remove: () => {
        armed.left = 0;
      },
    };
  }

  /** The fault that hits this request, the oldest first; counts as one hit. */
  take(request: RecordedRequest): Fault | undefined {
    for (const armed of this.#armed) {
      if (armed.left <= 0 || (armed.route !== 'any' && armed.route !== request.route)) continue;
      if (armed.fault.when?.(request) === false) continue;
      if (armed.skip > 0) {
        armed.skip -= 1;
        continue;
      }
      armed.left -= 1;
      armed.hits += 1;
      return armed.fault;
    }
    return undefined;
  }

  clear(): void {
    this.#armed = [];
  }
}

/** Runs the request through the fault. `carryOut` does what was asked; not calling it means that nothing is done. */
export function deliver(fault: FaultKind | undefined, carryOut: () => Answer, now: EpochMs): Delivery {
  if (fault === undefined) return { how: 'answer', answer: carryOut() };
  switch (fault.kind) {
    case 'accept-then-502':
      carryOut();
      return { how: 'answer', answer: html(502, '502 Bad Gateway') };
    case 'accept-then-reset':
      carryOut();
      return { how: 'reset' };
    case 'accept-then-hang':
      carryOut();
      return { how: 'hang' };
    case 'truncated-200':
      return { how: 'truncate', answer: withBody(carryOut()) };
    case 'html-200':
    case 'broken-json-200':
    case '200-with-error-inside':
    case 'empty-200':
      if (fault.accepted !== false) carryOut();
      return { how: 'answer', answer: UNREADABLE[fault.kind] };
    case 'reject-502':
      return { how: 'answer', answer: html(502, '502 Bad Gateway') };
    case 'reset-before':
      return { how: 'reset' };
    case 'hang-before':
      return { how: 'hang' };
    case '500':
      return { how: 'answer', answer: json(500, { message: 'Server Error' }) };
    case '429':
      return { how: 'answer', answer: secondaryLimit(429, fault.retryAfterSeconds) };
    case '403-secondary':
      return { how: 'answer', answer: secondaryLimit(403, fault.retryAfterSeconds) };
    case '403-primary':
      return { how: 'answer', answer: primaryLimit(now, fault.resetInSeconds) };
    case 'slow':
      return { how: 'answer', answer: carryOut(), afterMs: fault.forMs };
  }
}

const UNREADABLE = {
  'html-200': html(200, 'Sign in to continue'),
  'broken-json-200': { status: 200, headers: { 'content-type': JSON_TYPE }, text: '{"workflow_run_id": 17000' },
  '200-with-error-inside': json(200, {
    message: 'Something went wrong',
    errors: [{ message: 'Something went wrong' }],
  }),
  'empty-200': { status: 200, headers: { 'content-type': JSON_TYPE }, text: '' },
} as const;

/** A 204 has no body to break off in, so an answer without one promises one. */
function withBody(answer: Answer): Answer {
  return answer.text === undefined ? json(200, { workflow_run_id: null }) : answer;
}

/** Source: docs.github.com, "Rate limits for the REST API", exceeding the rate limit: 403 or 429, either may come. */
function secondaryLimit(status: number, retryAfterSeconds: number | null | undefined): Answer {
  const message = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
  const headers = retryAfterSeconds === null ? {} : { 'retry-after': String(retryAfterSeconds ?? 60) };
  return new Refusal(status, message, headers).toAnswer(
    '/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits',
  );
}

function primaryLimit(now: EpochMs, resetInSeconds = 60): Answer {
  return new Refusal(403, 'API rate limit exceeded for user ID 1.', {
    'x-ratelimit-limit': '5000',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-used': '5000',
    'x-ratelimit-reset': String(Math.ceil(now / 1000) + resetInSeconds),
    'x-ratelimit-resource': 'core',
  }).toAnswer('/rest/using-the-rest-api/rate-limits-for-the-rest-api');
}
