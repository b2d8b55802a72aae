import { NotSent, Rejected } from '../core/effect.ts';
import { Problem, type ProblemCode } from '../core/problem.ts';
import type { Reason } from '../core/reason.ts';

const codes: { readonly [R in Reason]?: ProblemCode } = {
  ConnectionFailed: 'unknown-connection',
  Denied: 'forbidden',
  Rejected: 'invalid-parameters',
};

/** What would end an execution, or have it wait, as an answer to who asks for its plan. */
export function refusedPlan(error: unknown): unknown {
  if (error instanceof NotSent)
    return new Problem('unavailable', error.message, { cause: error, retryAfterSeconds: 1 });
  const code = error instanceof Rejected ? codes[error.reason] : undefined;
  return error instanceof Rejected && code !== undefined ? new Problem(code, error.message, { cause: error }) : error;
}
