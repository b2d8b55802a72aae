import type { IncomingHttpHeaders } from 'node:http';
import type { Verb } from '../core/access-reviews.ts';
import { Problem } from '../core/problem.ts';

/** Who asks, and what they may do. */
export interface Caller {
  readonly name: string;
  /** What it takes to be allowed, for a refusal. */
  readonly advice?: string;
  may(verb: Verb, namespace: string): boolean | Promise<boolean>;
  /** Glob patterns of the namespaces in which it may do this, for lists and streams over several. */
  namespacesFor(verb: Verb): readonly string[] | Promise<readonly string[]>;
}

/** Finds out who asks, from the request's headers. Problems: unauthenticated, unavailable. */
export type Authenticate = (headers: IncomingHttpHeaders) => Caller | Promise<Caller>;

/**
 * Throws `forbidden` before anything is looked up, so that a caller learns nothing about namespaces that are not theirs,
 * not even which ids exist.
 */
export async function requireMay(caller: Caller, verb: Verb, namespace: string): Promise<void> {
  if (!(await caller.may(verb, namespace))) throw forbidden(caller, verb, `namespace ${namespace}`);
}

export function forbidden({ name, advice }: Caller, verb: Verb, place: string): Problem {
  const hint = advice === undefined ? '' : `; ${advice}`;
  return new Problem('forbidden', `${name} may not ${verb} executions in ${place}${hint}`);
}

/** The token of an Authorization header. Problem: unauthenticated. */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) throw new Problem('unauthenticated', 'send Authorization: Bearer <token>');
  const token = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1];
  if (token !== undefined) return token;
  throw new Problem('unauthenticated', 'the Authorization header is not of the form Bearer <token>');
}

export function unknownToken(): Problem {
  return new Problem('unauthenticated', 'the token is not known');
}

/** The second way is tried where the first does not know the caller. */
export function firstThen(first: Authenticate, second: Authenticate): Authenticate {
  return async (headers) => {
    try {
      return await first(headers);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'unauthenticated') throw error;
      return await second(headers);
    }
  };
}

/** May do nothing: for calls that are open to everybody, and until a call has said who it is. */
export const nobody: Caller = { name: 'nobody', may: () => false, namespacesFor: () => [] };

/** The step of a workflow, which may ask for what its origin can prove. */
export const workflow = { name: 'workflow' } as const satisfies Partial<Caller>;

/** For a server that only its own machine reaches: whoever asks may do all. */
export function anonymousOnLoopback(): Authenticate {
  const anonymous: Caller = { name: 'anonymous', may: () => true, namespacesFor: () => ['*'] };
  return () => anonymous;
}
