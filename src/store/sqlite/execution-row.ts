import type { SQLInputValue } from 'node:sqlite';
import { type Execution, type ExecutionRequest, type ExecutionStatus, isFinal, isOpen } from '../../core/execution.ts';
import type { NewExecution, UnfinishedEntry } from '../../core/store.ts';
import type { EpochMs } from '../../core/time.ts';

/** Columns of `executions` that are written once. */
export const identityColumns = ['namespace', 'id', 'step', 'origin', 'created_at', 'deadline'] as const;

/** Columns of `executions` that each update writes. */
export const statusColumns = [
  'origin_step',
  'state',
  'is_final',
  'finished_at',
  'wake_at',
  'has_intent',
  'has_open_effect',
  'is_stopped',
  'signals',
  'status',
] as const;

/** Columns of `requests`, but for the row's number. */
export const requestColumns = ['caller', 'request'] as const;

type Values<Columns extends readonly string[]> = Readonly<Record<Columns[number], SQLInputValue>>;

/** What goes into the two tables for one execution, each in the order of its columns. */
export interface RecordValues {
  readonly execution: readonly SQLInputValue[];
  readonly request: readonly SQLInputValue[];
}

export function recordValues(execution: NewExecution): RecordValues {
  const { origin } = execution.request;
  const identity: Values<typeof identityColumns> = {
    namespace: execution.namespace,
    id: execution.id,
    step: execution.request.step,
    origin: origin ? `${origin.kind}/${origin.namespace}/${origin.name}/${origin.step}` : null,
    created_at: execution.createdAt,
    deadline: execution.deadline,
  };
  const request: Values<typeof requestColumns> = {
    caller: execution.caller,
    request: JSON.stringify(execution.request),
  };
  return {
    execution: [...inOrder(identityColumns, identity), ...statusValues(execution.status)],
    request: inOrder(requestColumns, request),
  };
}

/** In the order of statusColumns. */
export function statusValues(status: ExecutionStatus): readonly SQLInputValue[] {
  return inOrder(statusColumns, {
    origin_step: status.originStep ?? null,
    state: status.state,
    is_final: Number(isFinal(status.state)),
    finished_at: status.finishedAt ?? null,
    wake_at: status.wakeAt ?? null,
    has_intent: Number(status.effects.length > 0),
    has_open_effect: Number(status.effects.some(isOpen)),
    is_stopped: Number(status.stop !== undefined),
    signals: JSON.stringify(status.signals),
    status: JSON.stringify(status),
  });
}

/** Values are bound by position: node:sqlite takes three times as long to bind them by name. */
function inOrder<Column extends string>(
  columns: readonly Column[],
  values: Readonly<Record<Column, SQLInputValue>>,
): SQLInputValue[] {
  return columns.map((column) => values[column]);
}

/** All of a record that an update does not replace. */
export interface UnchangingRow {
  readonly row: number;
  readonly namespace: string;
  readonly id: string;
  readonly version: number;
  readonly created_at: EpochMs;
  readonly deadline: EpochMs;
  readonly caller: string;
  readonly request: string;
}

export interface ExecutionRow extends UnchangingRow {
  readonly status: string;
}

export function toExecution(row: ExecutionRow): Execution {
  const status: ExecutionStatus = JSON.parse(row.status);
  return withStatus(row, row.version, status);
}

export function withStatus(row: UnchangingRow, version: number, status: ExecutionStatus): Execution {
  const request: ExecutionRequest = JSON.parse(row.request);
  return {
    namespace: row.namespace,
    id: row.id,
    version,
    request,
    caller: row.caller,
    createdAt: row.created_at,
    deadline: row.deadline,
    status,
  };
}

export interface UnfinishedRow {
  readonly namespace: string;
  readonly id: string;
  readonly created_at: EpochMs;
  readonly deadline: EpochMs;
  readonly wake_at: EpochMs | null;
  readonly signals: string;
  readonly has_open_effect: number;
  readonly is_stopped: number;
}

const noSignals: readonly string[] = [];

/** Called 100,000 times at a start: most executions wait for no signal, and nothing is parsed for those. */
export function toUnfinishedEntry(row: UnfinishedRow): UnfinishedEntry {
  return {
    namespace: row.namespace,
    id: row.id,
    deadline: row.deadline,
    ...(row.wake_at === null ? {} : { wakeAt: row.wake_at }),
    signals: row.signals === '[]' ? noSignals : JSON.parse(row.signals),
    hasOpenEffect: row.has_open_effect === 1,
    isStopped: row.is_stopped === 1,
  };
}
