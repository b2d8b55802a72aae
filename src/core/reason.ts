import type { ExecutionState } from './execution.ts';

type FinalState = Exclude<ExecutionState, 'pending' | 'running'>;

/**
 * Why an execution stands as it does: the whole vocabulary, and the final state that each stands for.
 * A contract: people match on these words (docs/reasons.md, held to this table both ways by a test).
 */
export const reasons = {
  Cancelled: { state: 'cancelled', meaning: 'Somebody asked for the stop.' },
  ConnectionFailed: {
    state: 'failed',
    meaning: 'The provider refused the credential, or is not what the connection says it is.',
  },
  Denied: {
    state: 'failed',
    meaning: 'A policy does not allow this; the message names the rule, the value and its owner.',
  },
  EffectFailed: { state: 'failed', meaning: 'The provider refused the write; nothing was done.' },
  NotFound: { state: 'failed', meaning: 'What is to be read is not there.' },
  ObjectDeleted: { state: 'failed', meaning: 'The object was deleted while it was waited for.' },
  ObjectFailed: { state: 'failed', meaning: 'The object that is waited for says of itself that it has failed.' },
  ObjectReplaced: {
    state: 'failed',
    meaning: 'While the object was waited for, another one of the same name took its place.',
  },
  OriginGone: {
    state: 'cancelled',
    meaning: 'The workflow that asked was deleted or terminated; nothing new was sent.',
  },
  OriginTimedOut: { state: 'failed', meaning: "The workflow's own time limit for the step passed." },
  PartlyFailed: { state: 'failed', meaning: 'Some items of a bulk effect were refused; the outputs list them.' },
  Rejected: { state: 'failed', meaning: 'The provider says that the request can never work; nothing was done.' },
  StepBroken: {
    state: 'failed',
    meaning: 'The step answered something that its own contract does not allow: a bug, worth a report.',
  },
  Superseded: {
    state: 'cancelled',
    meaning: 'A newer execution of the same workflow step took its place; nothing new was sent.',
  },
  TimedOut: { state: 'failed', meaning: 'The deadline passed.' },
  TooLarge: { state: 'failed', meaning: 'An output, a state or an effect result is over its limit.' },
  Uncertain: {
    state: 'failed',
    meaning:
      'A write was sent, its answer was lost, and the provider does not show whether it happened. It is not repeated.',
  },
  Unchanged: {
    state: 'succeeded',
    meaning: 'What `onChange` looks at is as it was at the last success; nothing was called.',
  },
  UnexpectedResult: { state: 'failed', meaning: 'What was started has ended, but not as the step expects.' },
} as const satisfies Record<string, { state: FinalState; meaning: string }>;

export type Reason = keyof typeof reasons;

export function finalStateOf(reason: Reason): FinalState {
  return reasons[reason].state;
}
