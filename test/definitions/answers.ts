import type { Phase } from '../support/cue/evaluate-template.ts';

/** An answer to a definition's call, and what becomes of the step. */
const busy = 'aftersync cannot answer now; asking again';
const stranger = 'http://aftersync.vela-system:8080 does not answer as aftersync does; asking again';
const html = '<html><body><h1>Welcome</h1></body></html>';

export interface Case {
  readonly answer: string;
  readonly statusCode: number;
  readonly body: unknown;
  readonly phase: Phase;
  readonly message: string;
  readonly failurePolicy?: 'fail' | 'ignore';
}

const refused = (statusCode: number): Omit<Case, 'answer' | 'body'> => ({
  statusCode,
  phase: 'failed',
  message: `http://aftersync.vela-system:8080 refuses the step with status ${statusCode}`,
});
export const problem = (status: number, code: string, detail: string) => ({
  type: 'about:blank',
  status,
  code,
  detail,
});
export const execution = (state: string, message: string) => ({ state, message, outputs: {} });

/** Every kind of answer. */
export const cases: readonly Case[] = [
  {
    answer: 'an execution that is new',
    statusCode: 201,
    body: execution('pending', 'accepted'),
    phase: 'running',
    message: 'accepted',
  },
  {
    answer: 'one that runs',
    statusCode: 200,
    body: execution('running', 'the run is in progress'),
    phase: 'running',
    message: 'the run is in progress',
  },
  {
    answer: 'one that runs, which is asked to go on whatever its end',
    failurePolicy: 'ignore',
    statusCode: 200,
    body: execution('running', 'the run is in progress'),
    phase: 'running',
    message: 'the run is in progress',
  },
  {
    answer: 'success',
    statusCode: 200,
    body: execution('succeeded', 'done'),
    phase: 'succeeded',
    message: 'done',
  },
  { answer: 'failure', statusCode: 200, body: execution('failed', 'no zone'), phase: 'failed', message: 'no zone' },
  {
    answer: 'failure, as said explicitly',
    failurePolicy: 'fail',
    statusCode: 200,
    body: execution('failed', 'no zone'),
    phase: 'failed',
    message: 'no zone',
  },
  {
    answer: 'failure, which is to be ignored',
    failurePolicy: 'ignore',
    statusCode: 200,
    body: execution('failed', 'no zone'),
    phase: 'succeeded',
    message: 'no zone',
  },
  {
    answer: 'cancellation',
    statusCode: 200,
    body: execution('cancelled', 'by Ann'),
    phase: 'failed',
    message: 'by Ann',
  },
  {
    answer: 'cancellation, which is to be ignored',
    failurePolicy: 'ignore',
    statusCode: 200,
    body: execution('cancelled', 'by Ann'),
    phase: 'succeeded',
    message: 'by Ann',
  },
  {
    answer: 'a problem with the parameters',
    statusCode: 422,
    body: problem(422, 'invalid-parameters', '/with/tags expected an array'),
    phase: 'failed',
    message: '/with/tags expected an array',
  },
  {
    answer: 'a problem with the parameters of a step whose failure is to be ignored',
    failurePolicy: 'ignore',
    statusCode: 422,
    body: problem(422, 'invalid-parameters', '/with/tags expected an array'),
    phase: 'failed',
    message: '/with/tags expected an array',
  },
  {
    answer: 'a forbidden request',
    statusCode: 403,
    body: problem(403, 'forbidden', 'not in this namespace'),
    phase: 'failed',
    message: 'not in this namespace',
  },
  {
    answer: 'an id that is taken',
    statusCode: 409,
    body: problem(409, 'id-conflict', 'exists with another request'),
    phase: 'failed',
    message: 'exists with another request',
  },
  { answer: 'a problem without detail', body: { status: 400 }, ...refused(400) },
  { answer: 'a problem whose detail is no text', body: { detail: { a: 1 } }, ...refused(400) },
  { answer: "a proxy's refusal", body: html, ...refused(404) },
  { answer: 'a refusal without a body', body: '', ...refused(401) },
  {
    answer: 'too many requests',
    statusCode: 429,
    body: problem(429, 'too-many-executions', 'try again later'),
    phase: 'running',
    message: busy,
  },
  { answer: 'too many requests for a proxy', statusCode: 429, body: html, phase: 'running', message: busy },
  { answer: 'too many requests, without a body', statusCode: 429, body: '', phase: 'running', message: busy },
  {
    answer: 'a store that is away',
    statusCode: 503,
    body: problem(503, 'unavailable', 'cannot record'),
    phase: 'running',
    message: busy,
  },
  { answer: 'a fault', statusCode: 500, body: problem(500, 'internal', 'a fault'), phase: 'running', message: busy },
  { answer: 'a proxy without us', statusCode: 502, body: html, phase: 'running', message: busy },
  { answer: 'a proxy that waits in vain', statusCode: 504, body: '', phase: 'running', message: busy },
  {
    answer: 'a fault that looks like an execution',
    statusCode: 500,
    body: execution('succeeded', 'done'),
    phase: 'running',
    message: busy,
  },
  { answer: 'a page', statusCode: 200, body: html, phase: 'running', message: stranger },
  { answer: 'nothing', statusCode: 204, body: '', phase: 'running', message: stranger },
  { answer: 'a redirection', statusCode: 304, body: html, phase: 'running', message: stranger },
  { answer: 'JSON that is no object', statusCode: 200, body: ['succeeded'], phase: 'running', message: stranger },
  { answer: 'JSON null', statusCode: 200, body: 'null', phase: 'running', message: stranger },
  { answer: 'an object without a state', statusCode: 200, body: { ok: true }, phase: 'running', message: stranger },
  { answer: 'a state that is no text', statusCode: 200, body: { state: 1 }, phase: 'running', message: stranger },
  { answer: 'a state without a message', statusCode: 200, body: { state: 'new' }, phase: 'running', message: stranger },
];
