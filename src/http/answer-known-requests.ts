import type { RequestHandler } from 'express';
import { sendJsonText } from './answer.ts';
import type { Authenticate } from './authenticate.ts';
import { readJsonBytes } from './body.ts';
import type { KnownRequests } from './known-requests.ts';
import { notesOf } from './observe.ts';
import { operations } from './operations.ts';

/**
 * Answers repeated PUTs before any route is tried, since these are most of the load. Whatever is not exactly known goes on
 * to the route, which knows why.
 */
export function answerKnownRequests(parts: {
  readonly knownRequests: KnownRequests;
  readonly authenticate: Authenticate;
}): RequestHandler {
  const { knownRequests, authenticate } = parts;
  return async (req, res, next) => {
    if (req.method !== 'PUT' || !knownRequests.knows(req.url)) return next();
    const notes = notesOf(res);
    notes.route = operations.putExecution.path;
    const caller = await authenticate(req.headers);
    notes.caller = caller.name;
    notes.body = await readJsonBytes(req);
    const known = knownRequests.find(req.url, notes.body);
    if (known === undefined || !(await caller.may('create', known.execution.namespace))) return next();
    sendJsonText(res, 200, known.answer);
  };
}
