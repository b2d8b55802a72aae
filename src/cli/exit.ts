import type { ExecutionState } from '../core/execution.ts';

/** What the process ends with; docs/cli.md lists them. */
export const exitCodes = {
  succeeded: 0,
  failed: 1,
  usage: 2,
  timedOut: 3,
  /** As shells say it of a program that Ctrl-C ended. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends the command: says what went wrong, where and why, and in `advice` what to do next. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly advice: string | undefined;

  constructor(exitCode: ExitCode, message: string, options: { advice?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.advice = options.advice;
  }
}

export function usageError(message: string, advice?: string): CommandError {
  return new CommandError(exitCodes.usage, message, { advice });
}

export function exitCodeOf(state: ExecutionState): ExitCode {
  return state === 'failed' || state === 'cancelled' ? exitCodes.failed : exitCodes.succeeded;
}
