import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { ExecutionKey } from '../../core/execution.ts';
import type { RetentionRule } from '../../core/store.ts';
import type { EpochMs } from '../../core/time.ts';
import type { PagePosition } from '../page-position.ts';
import {
  type ExecutionRow,
  identityColumns,
  type RecordValues,
  requestColumns,
  statusColumns,
  type UnchangingRow,
  type UnfinishedRow,
} from './execution-row.ts';
import type { Query } from './list-query.ts';

const unchanging = 'row, namespace, id, version, created_at, deadline, caller, request';
const records = 'FROM executions JOIN requests USING (row)';
const newestFirst = 'ORDER BY created_at DESC, namespace DESC, id DESC';

/** Of an execution `e`: those of its recurring step that are newer, as `newer`. */
const newer = `SELECT 1 FROM executions AS newer
  WHERE newer.origin_step = e.origin_step
    AND (newer.created_at, newer.namespace, newer.id) > (e.created_at, e.namespace, e.id)`;

type Surplus = NonNullable<RetentionRule['surplus']>;

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement on the tables, prepared once; what they take and give is typed here and nowhere else. */
export function prepareStatements(database: DatabaseSync) {
  const insertExecution = database.prepare(
    `${insertInto('executions', [...identityColumns, ...statusColumns])} ON CONFLICT (namespace, id) DO NOTHING`,
  );
  const insertRequest = database.prepare(insertInto('requests', ['row', ...requestColumns]));
  const updateStatus = database.prepare(
    `UPDATE executions SET version = version + 1, ${statusColumns.map((column) => `${column} = ?`).join(', ')}
     WHERE row = ?`,
  );
  const unchangingByKey = database.prepare(`SELECT ${unchanging} ${records} WHERE namespace = ? AND id = ?`);
  const byKey = database.prepare(`SELECT ${unchanging}, status ${records} WHERE namespace = ? AND id = ?`);
  const byRow = database.prepare(`SELECT ${unchanging}, status ${records} WHERE row = ?`);
  const lastSucceeded = database.prepare(
    `SELECT ${unchanging}, status ${records} WHERE origin_step = ? AND state = 'succeeded' ${newestFirst} LIMIT 1`,
  );
  const lastWithIntent = database.prepare(
    `SELECT ${unchanging}, status ${records} WHERE origin_step = ? AND has_intent = 1 ${newestFirst} LIMIT 1`,
  );
  const unfinishedOf = database.prepare(
    `SELECT ${unchanging}, status ${records} WHERE origin_step = ? AND is_final = 0 ${newestFirst} LIMIT ?`,
  );
  const unfinishedAfter = database.prepare(
    `SELECT namespace, id, created_at, deadline, wake_at, signals, has_open_effect, is_stopped
     FROM executions INDEXED BY executions_unfinished
     WHERE is_final = 0 AND (created_at, namespace, id) > (?, ?, ?) ORDER BY created_at, namespace, id LIMIT ?`,
  );
  const countUnfinished = database.prepare('SELECT count(*) AS count FROM executions WHERE is_final = 0');
  const isLast = `(${isNewest("state = 'succeeded'")} OR ${isNewest('has_intent = 1')})`;
  const deleteFinished = database.prepare(
    `DELETE FROM executions WHERE row IN (
       SELECT row FROM executions AS e
       WHERE is_final = 1 AND finished_at < ? AND (origin_step IS NULL OR NOT ${isLast})
       ORDER BY finished_at LIMIT ?)`,
  );
  const deleteSurplus = database.prepare(
    `DELETE FROM executions WHERE row IN (
       SELECT row FROM executions AS e
       WHERE is_final = 1 AND finished_at < ? AND origin_step IS NOT NULL AND NOT ${isLast}
         AND EXISTS (${newer} AND newer.is_final = 1 LIMIT 1 OFFSET ?)
       ORDER BY finished_at LIMIT ?)`,
  );
  const deleteRow = database.prepare('DELETE FROM executions WHERE row = ?');
  const lists = new Map<string, StatementSync>();

  return {
    /** False: there is one with this key. */
    insert({ execution, request }: RecordValues): boolean {
      const { changes, lastInsertRowid } = insertExecution.run(...execution);
      if (changes === 0) return false;
      insertRequest.run(lastInsertRowid, ...request);
      return true;
    },

    /** Raises the version too. */
    update(row: number, status: readonly SQLInputValue[]): void {
      updateStatus.run(...status, row);
    },

    unchangingByKey(key: ExecutionKey): UnchangingRow | undefined {
      return unchangingByKey.get(key.namespace, key.id) as UnchangingRow | undefined;
    },

    byKey(key: ExecutionKey): ExecutionRow | undefined {
      return byKey.get(key.namespace, key.id) as ExecutionRow | undefined;
    },

    lastSucceeded(originStep: string): ExecutionRow | undefined {
      return lastSucceeded.get(originStep) as ExecutionRow | undefined;
    },

    lastWithIntent(originStep: string): ExecutionRow | undefined {
      return lastWithIntent.get(originStep) as ExecutionRow | undefined;
    },

    unfinishedOf(originStep: string, limit: number): ExecutionRow[] {
      return unfinishedOf.all(originStep, limit) as unknown as ExecutionRow[];
    },

    delete(row: number): void {
      deleteRow.run(row);
    },

    /** The query finds row numbers from an index alone; only then are records read, which may be large. */
    list({ sql, parameters }: Query): ExecutionRow[] {
      const statement = lists.get(sql) ?? database.prepare(sql);
      lists.set(sql, statement);
      return statement.all(parameters).map(({ row }) => byRow.get(row as number) as unknown as ExecutionRow);
    },

    /** The oldest first. */
    unfinishedAfter(after: PagePosition, limit: number): UnfinishedRow[] {
      return unfinishedAfter.all(after.createdAt, after.namespace, after.id, limit) as unknown as UnfinishedRow[];
    },

    countUnfinished(): number {
      return (countUnfinished.get() as { count: number }).count;
    },

    /** How many were deleted. */
    deleteFinished(before: EpochMs, limit: number): number {
      return Number(deleteFinished.run(before, limit).changes);
    },

    /** The same of those that are not among the newest of their recurring step. */
    deleteSurplus({ before, perStep }: Surplus, limit: number): number {
      return Number(deleteSurplus.run(before, perStep - 1, limit).changes);
    },
  };
}

function insertInto(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
}

/** True of an execution `e` that is the newest one of its recurring step for which the condition holds. */
function isNewest(condition: string): string {
  return `(e.${condition} AND NOT EXISTS (${newer} AND newer.${condition}))`;
}
