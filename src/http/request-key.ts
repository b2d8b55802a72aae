import type { Request } from 'express';
import type { ExecutionKey } from '../core/execution.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { Problem } from '../core/problem.ts';
import { isLabel, ownIdPrefix } from '../core/request.ts';
import type { Query } from './query.ts';

function requireId(id: unknown): string {
  if (typeof id !== 'string' || !isLabel(id)) {
    throw new Problem(
      'invalid-id',
      'an id has 1 to 63 lower-case letters, digits and -, and neither begins nor ends with -',
    );
  }
  return id;
}

/** An id as those choose it who create an execution. */
export function requireChosenId(id: unknown): string {
  const known = requireId(id);
  if (!known.startsWith(ownIdPrefix)) return known;
  throw new Problem('invalid-id', `ids that begin with ${ownIdPrefix} are made by the server; POST /v1/executions`);
}

/** The namespace that the query names, else the default. */
export function namespaceOf(query: Query, defaultNamespace: string): string {
  const namespace = query.one('namespace') ?? defaultNamespace;
  if (!isLabel(namespace)) throw new Problem('invalid-id', 'the namespace is not a DNS label');
  return namespace;
}

export function keyOf(req: Request, query: Query, defaultNamespace: string): ExecutionKey {
  return { id: requireId(req.params.id), namespace: namespaceOf(query, defaultNamespace) };
}

/** The namespace of a request to create: a workflow's step belongs to its origin's, whatever else is asked for. */
export function namespaceOfBody(body: JsonObject, query: Query, ownNamespace: string): string {
  const origin = isJsonObject(body.origin) ? body.origin.namespace : undefined;
  // The engine's check of the body says what is wrong with any other value.
  if (typeof origin !== 'string' || !isLabel(origin)) return namespaceOf(query, ownNamespace);
  const namespace = namespaceOf(query, origin);
  if (namespace !== origin) {
    const mistake = { path: '/origin/namespace', message: `is ${origin}, but the query's namespace is ${namespace}` };
    throw new Problem('invalid-parameters', 'origin and query name different namespaces', { mistakes: [mistake] });
  }
  return namespace;
}
