import type { Execution, ExecutionKey, ExecutionState, ExecutionStatus } from './execution.ts';
import type { Release } from './signal.ts';
import type { EpochMs } from './time.ts';

export type NewExecution = Omit<Execution, 'version'>;

/** All that the engine keeps in memory of an execution that has not ended. */
export interface UnfinishedEntry extends ExecutionKey {
  readonly deadline: EpochMs;
  readonly wakeAt?: EpochMs;
  readonly signals: readonly string[];
  /** An effect was sent, or may have been, and nothing is known of it yet. */
  readonly hasOpenEffect: boolean;
  readonly isStopped: boolean;
  /** `status.holder`; only of a store that several processes share. */
  readonly holder?: string;
}

export interface ListFilter {
  /** Absent: all. */
  readonly namespaces?: readonly string[];
  readonly step?: string;
  readonly states?: readonly ExecutionState[];
  /** `<kind>/<namespace>/<name>` or, more exact, `<kind>/<namespace>/<name>/<step>`. */
  readonly origin?: string;
}

export interface Page {
  readonly items: readonly Execution[];
  /** Opaque; absent on the last page. */
  readonly continue?: string;
}

/** A lost compare-and-swap: somebody wrote in between. Read again and decide anew. */
export class VersionConflict extends Error {
  constructor(key: ExecutionKey) {
    super(`execution ${key.namespace}/${key.id} was changed by somebody else`);
    this.name = 'VersionConflict';
  }
}

/** The execution is not there. */
export class ExecutionMissing extends Error {
  constructor(key: ExecutionKey) {
    super(`execution ${key.namespace}/${key.id} does not exist`);
    this.name = 'ExecutionMissing';
  }
}

/** More than this store takes of one execution, however often it is tried. The message names the limit. */
export class ExecutionTooLarge extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ExecutionTooLarge';
  }
}

/** Which ended executions are to go. */
export interface RetentionRule {
  /** What ended before. */
  readonly before: EpochMs;
  /** Of each recurring step, what ended before and is not among so many of its newest. */
  readonly surplus?: { readonly perStep: number; readonly before: EpochMs };
}

/**
 * Where executions are kept. A promise resolves, a watcher is told, and a read shows a write only after the commit that
 * holds it: whoever learns of a write from here may tell others. A write whose commit fails rejects.
 */
export interface ExecutionStore {
  /** Adds it, or returns the one that has its key. ExecutionTooLarge where it never will. */
  create(execution: NewExecution): Promise<{ readonly created: boolean; readonly execution: Execution }>;
  /** Replaces the status if the version still stands; VersionConflict, ExecutionMissing or ExecutionTooLarge otherwise. */
  update(key: ExecutionKey, version: number, status: ExecutionStatus): Promise<Execution>;
  get(key: ExecutionKey): Promise<Execution | undefined>;
  /** Newest first by (createdAt, namespace, id); a page is stable while others are added. Throws RangeError on a `continue` it did not make. */
  list(filter: ListFilter, page: { readonly limit: number; readonly continue?: string }): Promise<Page>;
  /** Removes it if the version still stands; VersionConflict or ExecutionMissing otherwise. */
  delete(key: ExecutionKey, version: number): Promise<void>;
  /**
   * Calls back with each stored change in the order of commits, also with what this process wrote, and with what `delete`
   * removed, as it stood last. Must not throw.
   */
  watch(onChange: (execution: Execution) => void, onDelete?: (execution: Execution) => void): Release;
  /** The newest succeeded execution of a recurring step, by createdAt. */
  lastSucceeded(originStep: string): Promise<Execution | undefined>;
  /** The newest execution of a recurring step that stored an effect's intent. */
  lastWithIntent(originStep: string): Promise<Execution | undefined>;
  /** The newest of those of a recurring step that have not ended, newest first. */
  unfinishedOf(originStep: string, limit: number): Promise<readonly Execution[]>;
  /** All that have not ended, in blocks, without their records. */
  unfinished(): AsyncIterable<readonly UnfinishedEntry[]>;
  countUnfinished(): Promise<number>;
  /** Of a store that several processes share: those that have not ended and wait for this signal. */
  waitingFor?(signal: string): Promise<readonly Execution[]>;
  /**
   * Deletes what the rule lets go, at most `limit` at once, but never the last succeeded nor the last with an intent of a
   * recurring step. Returns how many.
   */
  deleteFinished(rule: RetentionRule, limit: number): Promise<number>;
  close(): Promise<void>;
}
