import type { EpochMs } from '../../../src/core/time.ts';
import type { Inputs } from './options.ts';
import { type Run, runProgress } from './state.ts';

/** A run for assertions: what it is now, as plain data. */
export interface RunSummary {
  readonly id: number;
  /** 'acme/shop' */
  readonly repository: string;
  /** 'smoke.yml' */
  readonly workflow: string;
  readonly event: string;
  readonly headBranch: string;
  readonly displayTitle: string;
  readonly inputs: Inputs;
  readonly actor: string;
  readonly createdAt: EpochMs;
  readonly runAttempt: number;
  readonly status: string;
  readonly conclusion: string | null;
}

export function summaryOf(run: Run, now: EpochMs): RunSummary {
  const { id, repository, workflow, event, headBranch, displayTitle, inputs, actor, createdAt, runAttempt } = run;
  const { status, conclusion } = runProgress(run, now);
  return {
    id,
    repository: repository.fullName,
    workflow: workflow.file,
    event,
    headBranch,
    displayTitle,
    inputs,
    actor,
    createdAt,
    runAttempt,
    status,
    conclusion,
  };
}
