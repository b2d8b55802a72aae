import type { ExecutionStore } from '../core/store.ts';
import type { Clock } from '../core/time.ts';
import type { ExecutionChanges } from './execution-changes.ts';

/** What long polls and event streams are made of. */
export interface HeldAnswerParts {
  readonly store: ExecutionStore;
  readonly changes: ExecutionChanges;
  readonly clock: Clock;
  /** How many may be open at once. */
  readonly most: number;
}

/** Answers that stay open for long: counted, bounded, and ended when the server stops. */
export interface HeldAnswers {
  readonly count: number;
  /** Ends all that are open at once, and each later one as soon as it has told how things stand. */
  drain(): void;
}

/** How soon a caller that found no place may try again. */
export const placeRetryAfterSeconds = 5;
