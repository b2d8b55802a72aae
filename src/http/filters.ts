import type { Verb } from '../core/access-reviews.ts';
import { type Execution, type ExecutionState, executionStates } from '../core/execution.ts';
import { matchesAnyGlob } from '../core/glob.ts';
import { Problem } from '../core/problem.ts';
import type { ListFilter } from '../core/store.ts';
import { type Caller, forbidden, requireMay } from './authenticate.ts';
import type { Query } from './query.ts';
import { namespaceOf } from './request-key.ts';

/** What a caller wants to see and may see, of the store and of changes. */
export interface VisibleFilter {
  /** As much of it as the store can apply. */
  readonly inStore: ListFilter;
  /** All of it but the origin, which only lists filter by. */
  matches(execution: Execution): boolean;
}

/** The filter in the query. Problems: invalid-query, invalid-id, forbidden. */
export async function visibleFilter(parts: {
  readonly query: Query;
  readonly caller: Caller;
  readonly verb: Verb;
  readonly ownNamespace: string;
}): Promise<VisibleFilter> {
  const { query } = parts;
  const step = query.one('step');
  const states = query.many('state').map(requireState);
  const patterns = await namespacePatternsOf(parts);
  return {
    inStore: {
      // A pattern is not for the store to understand; what it lists besides is left out afterwards.
      ...(patterns.every((pattern) => !pattern.includes('*')) && { namespaces: patterns }),
      ...(step !== undefined && { step }),
      ...(states.length > 0 && { states }),
    },
    matches: ({ namespace, request, status }) =>
      matchesAnyGlob(patterns, namespace) &&
      (step === undefined || request.step === step) &&
      (states.length === 0 || states.includes(status.state)),
  };
}

async function namespacePatternsOf(parts: Parameters<typeof visibleFilter>[0]): Promise<readonly string[]> {
  const { query, caller, verb, ownNamespace } = parts;
  if (query.one('namespace') === '*') {
    const patterns = await caller.namespacesFor(verb);
    if (patterns.length === 0) throw forbidden(caller, verb, 'all namespaces');
    return patterns;
  }
  const namespace = namespaceOf(query, ownNamespace);
  await requireMay(caller, verb, namespace);
  return [namespace];
}

function requireState(text: string): ExecutionState {
  const state = executionStates.find((known) => known === text);
  if (state === undefined) {
    throw new Problem(
      'invalid-query',
      `state is one of ${executionStates.join(', ')}, found ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
  return state;
}
