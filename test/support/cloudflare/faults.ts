import { type ApiAnswer, errorCodes, failure, Refusal } from './answer.ts';

/** `applied`: the purge was carried out all the same, and only its answer is spoilt. Default false: nothing was done. */
export type Fault =
  | { readonly kind: 'html-200'; readonly applied?: boolean }
  | { readonly kind: 'broken-json-200'; readonly applied?: boolean }
  | { readonly kind: 'failure-200'; readonly applied?: boolean }
  | { readonly kind: '500'; readonly applied?: boolean }
  /** The connection is cut without an answer. */
  | { readonly kind: 'reset'; readonly applied?: boolean }
  /** No answer until the client gives up or the stand-in is closed. */
  | { readonly kind: 'hang'; readonly applied?: boolean }
  | { readonly kind: '429'; readonly retryAfterSeconds?: number };

export type Delivery = ApiAnswer | 'reset' | 'hang';

/** Faults that are waiting for their calls, the oldest first. */
export class Faults {
  #waiting: Fault[] = [];

  add(fault: Fault, times: number): void {
    for (let time = 0; time < times; time += 1) this.#waiting.push(fault);
  }

  take(): Fault | undefined {
    return this.#waiting.shift();
  }
}

/** `carryOut` does what was asked for, or throws a Refusal, which a spoilt answer hides too. */
export function deliver(fault: Fault | undefined, carryOut: () => ApiAnswer): Delivery {
  if (fault === undefined) return answerOf(carryOut);
  if (fault.kind !== '429' && fault.applied) answerOf(carryOut);
  switch (fault.kind) {
    case 'html-200':
      return { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><p>Please sign in' };
    case 'broken-json-200':
      return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"success":true,"errors":[' };
    case 'failure-200':
      return failure(200, { code: errorCodes.badItem, message: 'Unable to purge' });
    case '500':
      return failure(500, { code: 10_001, message: 'Service temporarily unavailable' });
    case '429':
      return failure(
        429,
        { code: errorCodes.rateLimited, message: 'Unable to purge, rate limit reached' },
        { 'retry-after': String(fault.retryAfterSeconds ?? 1) },
      );
    case 'reset':
    case 'hang':
      return fault.kind;
  }
}

export function answerOf(carryOut: () => ApiAnswer): ApiAnswer {
  try {
    return carryOut();
  } catch (error) {
    if (error instanceof Refusal) return error.answer;
    throw error;
  }
}
