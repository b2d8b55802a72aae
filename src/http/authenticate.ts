import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../core/problem.ts';

/** What a caller does in a namespace; the words are those of Kubernetes RBAC. */
export type Verb = 'create' | 'get' | 'list' | 'watch' | 'update';

/** Who asks, and what they may do. */
export interface Caller {
  readonly name: string;
  /** Glob patterns of the namespaces that it may read, for lists and streams over several. */
  readonly namespaces: readonly string[];
  may(verb: Verb, namespace: string): boolean | Promise<boolean>;
}

/** Finds out who asks, from the request's headers. Problems: unauthenticated, unavailable. */
export type Authenticate = (headers: IncomingHttpHeaders) => Caller | Promise<Caller>;

/**
 * Throws `forbidden` before anything is looked up, so that a caller learns nothing about namespaces that are not theirs,
 * not even which ids exist.
 */
export async function requireMay(caller: Caller, verb: Verb, namespace: string): Promise<void> {
  if (!(await caller.may(verb, namespace))) {
    throw new Problem('forbidden', `${caller.name} may not ${verb} executions in namespace ${namespace}`);
  }
}

/** For a server that only its own machine reaches: whoever asks may do all. */
export function anonymousOnLoopback(): Authenticate {
  const anonymous: Caller = { name: 'anonymous', namespaces: ['*'], may: () => true };
  return () => anonymous;
}
