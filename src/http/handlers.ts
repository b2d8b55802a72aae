import type { Request, Response } from 'express';
import type { Caller } from './authenticate.ts';
import type { OperationId } from './operations.ts';
import type { Query } from './query.ts';

/**
 * What a handler is given. For calls open to everybody the caller may do nothing and the query is empty; for calls of
 * workflows the caller may do nothing either, until `identify` says who it is.
 */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  readonly caller: Caller;
  /** Problems: unauthenticated, unavailable. */
  identify(): Promise<Caller>;
  readonly query: Query;
}

/** Answers a call, or throws a Problem. */
export type Handler = (exchange: Exchange) => void | Promise<void>;

/** A handler for each operation: the compiler names one that is missing. */
export type Handlers = Readonly<Record<OperationId, Handler>>;
