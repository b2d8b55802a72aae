import type { OutgoingHttpHeaders } from 'node:http';
import type { Response } from 'express';
import { notesOf } from './observe.ts';

/** The head of every answer: no cache may keep it, and the log knows it by its request's id. */
export function writeHead(res: Response, status: number, headers: OutgoingHttpHeaders): void {
  // In one call: headers that are set before are kept in a table, which node then has to go through again.
  res.writeHead(status, { ...headers, 'Cache-Control': 'no-store', 'X-Request-Id': notesOf(res).requestId });
}
