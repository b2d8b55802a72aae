import type { OutgoingHttpHeaders } from 'node:http';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string;
}

interface ApiError {
  readonly code: number;
  readonly message: string;
}

const JSON_HEADERS = { 'content-type': 'application/json' };

export function success(result: unknown): ApiAnswer {
  const body = JSON.stringify({ success: true, errors: [], messages: [], result });
  return { status: 200, headers: JSON_HEADERS, body };
}

export function failure(status: number, error: ApiError, headers: OutgoingHttpHeaders = {}): ApiAnswer {
  const body = JSON.stringify({ success: false, errors: [error], messages: [], result: null });
  return { status, headers: { ...JSON_HEADERS, ...headers }, body };
}

/** A request that the API refuses. Nothing of it was done. */
export class Refusal extends Error {
  readonly answer: ApiAnswer;

  constructor(status: number, error: ApiError, headers: OutgoingHttpHeaders = {}) {
    super(error.message);
    this.name = 'Refusal';
    this.answer = failure(status, error, headers);
  }
}

/**
 * The API's error codes. Seen in public threads: 1012, 1014, 7003, 10000. The others are ours, since no page lists them:
 * clients must not depend on them.
 */
export const errorCodes = {
  notExactlyOneKind: 1012,
  notAnArray: 1014,
  badItem: 1016,
  tooManyItems: 1094,
  rateLimited: 1134,
  malformedJson: 6007,
  noRoute: 7003,
  authentication: 10_000,
  methodNotAllowed: 10_405,
  tooManyRequests: 10_429,
} as const;
