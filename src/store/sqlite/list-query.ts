import type { SQLInputValue } from 'node:sqlite';
import { isFinal } from '../../core/execution.ts';
import type { ListFilter } from '../../core/store.ts';
import type { PagePosition } from '../page-position.ts';

export interface Query {
  readonly sql: string;
  readonly parameters: Record<string, SQLInputValue>;
}

/**
 * Selects the row numbers of a page, newest first. Lists are bound as JSON, so that there are few different texts and
 * each can be prepared once. The index is named because SQLite, which has no statistics here, would sort whole
 * namespaces rather than walk the executions in order.
 */
export function listQuery(filter: ListFilter, limit: number, after: PagePosition | undefined): Query {
  const conditions: string[] = [];
  const parameters: Record<string, SQLInputValue> = { limit };
  let index = 'executions_newest';

  if (filter.states) {
    conditions.push('state IN (SELECT value FROM json_each(:states))');
    parameters.states = JSON.stringify(filter.states);
    if (!filter.states.some(isFinal)) {
      conditions.push('is_final = 0');
      index = 'executions_unfinished';
    }
  }
  if (filter.origin !== undefined) {
    // kind, namespace and name, and the step or not; '0' is the character that follows '/'.
    const isExact = filter.origin.split('/').length > 3;
    conditions.push(isExact ? 'origin = :origin' : "origin > :origin || '/' AND origin < :origin || '0'");
    parameters.origin = filter.origin;
    index = 'executions_of_origin';
  }
  if (filter.namespaces) {
    conditions.push('namespace IN (SELECT value FROM json_each(:namespaces))');
    parameters.namespaces = JSON.stringify(filter.namespaces);
  }
  if (filter.step !== undefined) {
    conditions.push('step = :step');
    parameters.step = filter.step;
  }
  if (after) {
    conditions.push('(created_at, namespace, id) < (:createdAt, :afterNamespace, :afterId)');
    Object.assign(parameters, { createdAt: after.createdAt, afterNamespace: after.namespace, afterId: after.id });
  }

  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
  const sql = `SELECT row FROM executions INDEXED BY ${index} ${where}
    ORDER BY created_at DESC, namespace DESC, id DESC LIMIT :limit`;
  return { sql, parameters };
}
