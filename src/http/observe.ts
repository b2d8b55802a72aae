import { randomBytes } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { RequestMetrics } from './metrics.ts';

/** What is noted about an answer while it is made. */
export interface AnswerNotes {
  requestId: string;
  /** The path of the operation as OpenAPI writes it; absent where no operation was found. */
  route?: string;
  caller?: string;
  /** Kept open on purpose: a long poll or an event stream. */
  isHeld?: boolean;
  /** The body's bytes, where they were read already. */
  body?: Buffer;
}

export function notesOf(res: Response): AnswerNotes {
  return res.locals as AnswerNotes;
}

/**
 * Counts, times and logs each request. Headers are not logged, and so no credential is. A request keeps the X-Request-Id
 * that came with it, if it is one, so that a log can be followed through proxies.
 */
export function observeRequests({ metrics, log }: { readonly metrics: RequestMetrics; readonly log: Logger }) {
  const prefix = randomBytes(6).toString('base64url');
  let count = 0;

  function finish(req: Request, res: Response, startedAtMs: number): void {
    const { route = 'none', caller, requestId, isHeld } = notesOf(res);
    const seconds = (performance.now() - startedAtMs) / 1_000;
    const status = res.writableFinished ? String(res.statusCode) : 'aborted';
    metrics.count({ method: req.method, route, status });
    if (!isHeld) metrics.time({ method: req.method, route, seconds });
    const level = res.statusCode >= 500 ? 'warn' : res.statusCode >= 400 ? 'info' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    log[level]({ requestId, method: req.method, url: req.url, status, seconds, caller }, 'request answered');
  }

  return (req: Request, res: Response): void => {
    const startedAtMs = performance.now();
    const given = req.headers['x-request-id'];
    const requestId = typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : `${prefix}-${++count}`;
    // Before express would make one without prototype, which V8 keeps as a hash table: three times as slow as this one.
    res.locals = { requestId } satisfies AnswerNotes;
    res.once('close', () => finish(req, res, startedAtMs));
  };
}
