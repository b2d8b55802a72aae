import type { StepPhase } from './objects.ts';

/**
 * What one tick makes of one step. The rules of which action outdoes which are those of kubevela/workflow:
 * pkg/tasks/custom/action.go.
 */
export class StepOutcome {
  phase: StepPhase = 'succeeded';
  reason: string | undefined;
  message: string | undefined;
  /** Of the workflow, which then only runs the steps that are there for that case. */
  terminates = false;
  suspends = false;
  failedAfterRetries = false;

  wait(message: string | undefined): void {
    if (this.phase === 'failed' || this.phase === 'suspending') return;
    this.phase = 'running';
    this.reason = 'Wait';
    this.say(message);
  }

  fail(message: string | undefined): void {
    this.terminates = true;
    this.phase = 'failed';
    this.reason = 'Action';
    this.say(message);
  }

  /** The action `Break`: the step is well, and the rest of the workflow is not wanted. */
  terminate(message: string | undefined): void {
    this.terminates = true;
    this.phase = 'succeeded';
    this.reason = 'Terminate';
    this.say(message);
  }

  suspend(message: string): void {
    if (this.phase === 'failed') return;
    this.suspends = true;
    this.phase = 'suspending';
    this.reason = 'Suspend';
    this.say(message);
  }

  skip(message: string | undefined): void {
    this.phase = 'skipped';
    this.reason = 'Skip';
    this.message = message;
  }

  timeOut(): void {
    this.terminates = true;
    this.phase = 'failed';
    this.reason = 'Timeout';
  }

  say(message: string | undefined): void {
    if (message !== undefined && message !== '') this.message = message;
  }

  /** An error is tried again where its reason is Execute, as long as there were fewer than ten before it. */
  error(message: string, reason: 'Execute' | 'Input', errorsBefore: number): void {
    this.phase = 'failed';
    this.message = message;
    if (this.reason === undefined) {
      this.reason = reason;
      if (reason !== 'Execute') this.terminates = true;
    }
    if (errorsBefore < mostErrors) return;
    this.failedAfterRetries = true;
    this.reason = 'FailedAfterRetries';
  }
}

/** --max-workflow-step-error-retry-times */
const mostErrors = 10;
