import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Execution } from '../../core/execution.ts';
import { StoreClosed } from '../store-closed.ts';

/** For the watchers: an execution as it stands now, or as it stood last. */
export interface Told {
  readonly execution: Execution;
  readonly isDeleted: boolean;
}

/** What a change came to: an answer for its caller, with what there is to tell the watchers, or no change and an error. */
export type Change<T> = { readonly answer: T; readonly told?: Told } | { readonly refused: Error };

interface PendingWrite {
  /** Makes the change inside the transaction, and returns what to do once that is durable. */
  readonly apply: (told: Told[]) => () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Gathers the writes of one turn of the event loop and makes them in one transaction at its end, since a sync of the
 * disk costs far more than a write. The transaction begins and ends within one call: no read can fall into it.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #tell: (told: Told) => void;
  #pending: PendingWrite[] = [];
  #waitingReads: (() => void)[] = [];
  #isClosed = false;

  /** `tell` is called after each commit with what it changed, in the order of the writes. */
  constructor(database: DatabaseSync, tell: (told: Told) => void) {
    this.#database = database;
    this.#begin = database.prepare('BEGIN');
    this.#commit = database.prepare('COMMIT');
    this.#tell = tell;
  }

  /**
   * Settles after the commit: with the change's answer, or alone with its refusal. If `change` throws or the commit
   * fails, nothing of the group is kept and all of it rejects. As with any lost answer, such a write may still turn up
   * when the machine stops before the next commit has overwritten it in the log.
   */
  write<T>(change: () => Change<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new StoreClosed());
    if (this.#pending.length === 0) setImmediate(() => this.#commitPending());
    return new Promise((resolve, reject) => {
      const apply = (told: Told[]) => {
        const outcome = change();
        if ('refused' in outcome) return () => reject(outcome.refused);
        if (outcome.told) told.push(outcome.told);
        return () => resolve(outcome.answer);
      };
      this.#pending.push({ apply, reject });
    });
  }

  /** Queries when every write asked for before has been committed or has failed: callers read what they wrote. */
  async read<T>(query: () => T): Promise<T> {
    if (this.#pending.length > 0) await new Promise<void>((resolve) => this.#waitingReads.push(resolve));
    if (this.#isClosed) throw new StoreClosed();
    return query();
  }

  /** Commits what was asked for before; what is asked for later rejects with StoreClosed. */
  close(): void {
    this.#isClosed = true;
    this.#commitPending();
  }

  #commitPending(): void {
    const writes = this.#pending;
    const reads = this.#waitingReads;
    this.#pending = [];
    this.#waitingReads = [];
    // close() may have come before the end of the turn.
    if (writes.length === 0) return;

    const told: Told[] = [];
    try {
      for (const settle of this.#transact(writes, told)) settle();
    } catch (cause) {
      told.length = 0;
      const failure = new Error(`the store could not commit: ${(cause as Error).message}`, { cause });
      for (const write of writes) write.reject(failure);
    }
    for (const resume of reads) resume();
    for (const change of told) this.#tell(change);
  }

  #transact(writes: readonly PendingWrite[], told: Told[]): (() => void)[] {
    try {
      this.#begin.run();
      const settlements = writes.map((write) => write.apply(told));
      this.#commit.run();
      return settlements;
    } catch (error) {
      // Some failures, such as the disk's, have ended the transaction already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}
