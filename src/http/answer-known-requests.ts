import type { Request, Response } from 'express';
import type { Execution } from '../core/execution.ts';
import { sendJsonText } from './answer.ts';
import type { Authenticate } from './authenticate.ts';
import type { ReadBody } from './body.ts';
import type { KnownRequests } from './known-requests.ts';
import { type AnswerNotes, notesOf } from './observe.ts';
import { operations } from './operations.ts';
import { told, type WorkflowOrigins } from './workflow-origins.ts';

/**
 * Answers repeated PUTs before any route is tried, since these are most of the load. Resolves to false for whatever is not
 * exactly known: the route knows why.
 */
export function answerKnownRequests(parts: {
  readonly knownRequests: KnownRequests;
  readonly authenticate: Authenticate;
  readonly workflowOrigins: WorkflowOrigins;
  readonly readBody: ReadBody;
}): (req: Request, res: Response) => Promise<boolean> {
  const { knownRequests, authenticate, workflowOrigins, readBody } = parts;

  /** Whoever sends a workflow's very request knows what it may know; others must be known themselves. */
  async function maySee({ headers }: Request, { request, namespace }: Execution, notes: AnswerNotes): Promise<boolean> {
    if (request.origin !== undefined && typeof workflowOrigins === 'object') return true;
    const caller = await authenticate(headers);
    notes.caller = caller.name;
    return await caller.may('create', namespace);
  }

  return async (req, res) => {
    if (req.method !== 'PUT' || !knownRequests.knows(req.url)) return false;
    const notes = notesOf(res);
    notes.route = operations.putExecution.path;
    notes.body = await readBody(req);
    const known = knownRequests.find(req.url, notes.body);
    if (known === undefined || !(await maySee(req, known.execution, notes))) return false;
    told(workflowOrigins, known.execution);
    sendJsonText(res, 200, known.answer);
    return true;
  };
}
