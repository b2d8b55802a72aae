/**
 * Every error that the REST API answers: its HTTP status and what it means. Codes are a contract; sentences may improve.
 * docs/errors.md lists them, held to this table both ways by a test.
 */
export const problems = {
  'already-final': { status: 409, title: 'The execution has ended already' },
  'bad-signature': { status: 401, title: 'No configured secret has signed this webhook' },
  'body-too-large': { status: 413, title: 'The request body is too large' },
  forbidden: { status: 403, title: 'The caller may not do this in this namespace' },
  'headers-too-large': { status: 431, title: 'The headers are over 16 KiB' },
  'host-not-allowed': { status: 403, title: 'The Host header does not name this server' },
  'id-conflict': { status: 409, title: 'Another request has this id' },
  internal: { status: 500, title: 'A fault of the server' },
  'invalid-id': { status: 400, title: 'The id or namespace has a form that is not allowed' },
  'invalid-parameters': { status: 422, title: 'The request does not fit the schema' },
  'invalid-query': { status: 400, title: 'A query parameter is not understood' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'malformed-request': { status: 400, title: 'The request is not HTTP as the server reads it' },
  'method-not-allowed': { status: 405, title: 'This path does not take this method' },
  'not-final': { status: 409, title: 'The execution has not ended yet' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'origin-missing': { status: 403, title: 'The workflow that the origin names does not exist' },
  'origin-not-supported': { status: 403, title: 'A workflow origin cannot be proven here' },
  'origin-owned': { status: 409, title: 'The execution belongs to a workflow' },
  'plan-not-supported': { status: 422, title: 'The step has no dry run' },
  'request-timeout': { status: 408, title: 'The request did not come to its end in time' },
  'too-many-executions': { status: 429, title: 'Too many executions are unfinished' },
  'too-many-streams': { status: 429, title: 'Too many event streams are open' },
  'too-many-waits': { status: 429, title: 'Too many long polls are open' },
  unauthenticated: { status: 401, title: 'No valid credential came with the request' },
  unavailable: { status: 503, title: 'The server cannot record this now' },
  'unknown-connection': { status: 422, title: 'No such connection is configured' },
  'unknown-step': { status: 422, title: 'There is no such step' },
  'unsupported-media-type': { status: 415, title: 'The body must be application/json' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** One mistake in the input: a JSON Pointer, what was expected there, and in short what was found. */
export interface InputMistake {
  readonly path: string;
  readonly message: string;
}

/** An answer that is an error, as RFC 9457 shows it. `detail` is for people and holds nothing secret. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly mistakes: readonly InputMistake[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    detail: string,
    options: { mistakes?: readonly InputMistake[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.mistakes = options.mistakes ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return problems[this.code].status;
  }
}
