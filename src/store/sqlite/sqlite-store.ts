import type { Execution, ExecutionKey, ExecutionStatus } from '../../core/execution.ts';
import type { Release } from '../../core/signal.ts';
import {
  ExecutionMissing,
  type ExecutionStore,
  type ListFilter,
  type NewExecution,
  type Page,
  type RetentionRule,
  type UnfinishedEntry,
  VersionConflict,
} from '../../core/store.ts';
import { fromContinueToken, type PagePosition, toContinueToken } from '../page-position.ts';
import { type ExclusiveDatabase, openExclusively } from './exclusive-database.ts';
import {
  type ExecutionRow,
  recordValues,
  statusValues,
  toExecution,
  toUnfinishedEntry,
  withStatus,
} from './execution-row.ts';
import { type Change, GroupCommit, type Told } from './group-commit.ts';
import { listQuery } from './list-query.ts';
import { prepareStatements, type Statements } from './statements.ts';

type Created = Awaited<ReturnType<ExecutionStore['create']>>;

/** How many rows unfinished() reads at once: some 10 ms of the event loop. */
const blockRows = 5_000;
const beforeAll: PagePosition = { createdAt: Number.MIN_SAFE_INTEGER, namespace: '', id: '' };

/**
 * The store of a single process: a file, or `:memory:`, which ends with it. Throws StoreLocked while another process has
 * the file open, and StoreTooNew when a newer release has written it.
 */
export async function openSqliteStore(options: { readonly path: string }): Promise<ExecutionStore> {
  return new SqliteStore(openExclusively(options.path));
}

class SqliteStore implements ExecutionStore {
  readonly #file: ExclusiveDatabase;
  readonly #statements: Statements;
  readonly #group: GroupCommit;
  readonly #watchers = new Set<(told: Told) => void>();

  constructor(file: ExclusiveDatabase) {
    this.#file = file;
    this.#statements = prepareStatements(file.database);
    this.#group = new GroupCommit(file.database, (told) => {
      for (const watcher of this.#watchers) watcher(told);
    });
  }

  async create(execution: NewExecution): Promise<Created> {
    const values = recordValues(execution);
    return this.#group.write((): Change<Created> => {
      if (!this.#statements.insert(values)) {
        const present = toExecution(this.#statements.byKey(execution) as ExecutionRow);
        return { answer: { created: false, execution: present } };
      }
      const stored = { ...execution, version: 1 };
      return { answer: { created: true, execution: stored }, told: { execution: stored, isDeleted: false } };
    });
  }

  async update(key: ExecutionKey, version: number, status: ExecutionStatus): Promise<Execution> {
    const values = statusValues(status);
    return this.#group.write(() => {
      const row = this.#statements.unchangingByKey(key);
      if (!row) return { refused: new ExecutionMissing(key) };
      if (row.version !== version) return { refused: new VersionConflict(key) };
      this.#statements.update(row.row, values);
      const stored = withStatus(row, version + 1, status);
      return { answer: stored, told: { execution: stored, isDeleted: false } };
    });
  }

  async delete(key: ExecutionKey, version: number): Promise<void> {
    await this.#group.write((): Change<void> => {
      const row = this.#statements.byKey(key);
      if (!row) return { refused: new ExecutionMissing(key) };
      if (row.version !== version) return { refused: new VersionConflict(key) };
      this.#statements.delete(row.row);
      return { answer: undefined, told: { execution: toExecution(row), isDeleted: true } };
    });
  }

  get(key: ExecutionKey): Promise<Execution | undefined> {
    return this.#group.read(() => found(this.#statements.byKey(key)));
  }

  async list(filter: ListFilter, page: { readonly limit: number; readonly continue?: string }): Promise<Page> {
    const after = page.continue === undefined ? undefined : fromContinueToken(page.continue);
    // One more than wanted tells whether there is a next page.
    const query = listQuery(filter, page.limit + 1, after);
    const rows = await this.#group.read(() => this.#statements.list(query));
    const items = rows.slice(0, page.limit).map(toExecution);
    const last = items.at(-1);
    return last && rows.length > items.length ? { items, continue: toContinueToken(last) } : { items };
  }

  watch(onChange: (execution: Execution) => void, onDelete?: (execution: Execution) => void): Release {
    const watcher = ({ execution, isDeleted }: Told) => (isDeleted ? onDelete : onChange)?.(execution);
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  lastSucceeded(originStep: string): Promise<Execution | undefined> {
    return this.#group.read(() => found(this.#statements.lastSucceeded(originStep)));
  }

  lastWithIntent(originStep: string): Promise<Execution | undefined> {
    return this.#group.read(() => found(this.#statements.lastWithIntent(originStep)));
  }

  unfinishedOf(originStep: string, limit: number): Promise<readonly Execution[]> {
    return this.#group.read(() => this.#statements.unfinishedOf(originStep, limit).map(toExecution));
  }

  async *unfinished(): AsyncIterable<readonly UnfinishedEntry[]> {
    let after = beforeAll;
    for (;;) {
      const rows = await this.#group.read(() => this.#statements.unfinishedAfter(after, blockRows));
      const last = rows.at(-1);
      if (!last) return;
      yield rows.map(toUnfinishedEntry);
      after = { createdAt: last.created_at, namespace: last.namespace, id: last.id };
    }
  }

  countUnfinished(): Promise<number> {
    return this.#group.read(() => this.#statements.countUnfinished());
  }

  deleteFinished({ before, surplus }: RetentionRule, limit: number): Promise<number> {
    return this.#group.write(() => {
      const old = this.#statements.deleteFinished(before, limit);
      return { answer: old + (surplus === undefined ? 0 : this.#statements.deleteSurplus(surplus, limit - old)) };
    });
  }

  async close(): Promise<void> {
    if (!this.#file.database.isOpen) return;
    this.#group.close();
    this.#file.close();
  }
}

function found(row: ExecutionRow | undefined): Execution | undefined {
  return row && toExecution(row);
}
