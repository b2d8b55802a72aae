import { type EffectRecord, type ExecutionStatus, initialStatus } from '../../src/core/execution.ts';
import type { NewExecution } from '../../src/core/store.ts';

/** Some time in 2026; samples count from here. */
export const t0 = Date.UTC(2026, 10, 1);

export const pending: ExecutionStatus = {
  state: 'pending',
  message: '',
  outputs: {},
  attempts: 0,
  effects: [],
  signals: [],
};

export const running: ExecutionStatus = { ...pending, state: 'running', message: 'waiting', startedAt: t0 + 1 };

export function succeeded(finishedAt: number): ExecutionStatus {
  return { ...running, state: 'succeeded', message: 'done', finishedAt };
}

export function failed(finishedAt: number): ExecutionStatus {
  return { ...running, state: 'failed', reason: 'Denied', message: 'no', finishedAt };
}

export const openEffect: EffectRecord = {
  name: 'dispatch',
  repeat: 'find',
  request: { ref: 'main' },
  intentAt: t0 + 5,
};

export const doneEffect: EffectRecord = {
  ...openEffect,
  name: 'purge',
  repeat: 'safe',
  sentAt: t0 + 6,
  doneAt: t0 + 7,
  result: { runId: 7 },
};

/** A pending execution; it differs from others by its id alone unless told otherwise. */
export function newExecution(
  id: string,
  { originStep, ...changes }: Partial<NewExecution> & { readonly originStep?: string } = {},
): NewExecution {
  const status = changes.status ?? initialStatus(changes.createdAt ?? t0, undefined);
  return {
    namespace: 'default',
    id,
    request: { step: 'purge-cdn', with: { tags: ['shop'] } },
    caller: 'anonymous',
    createdAt: t0,
    deadline: t0 + 900_000,
    ...changes,
    status: originStep === undefined ? status : { ...status, originStep },
  };
}
