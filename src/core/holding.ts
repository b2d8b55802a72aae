import { AsyncLocalStorage } from 'node:async_hooks';
import type { ExecutionKey } from './execution.ts';
import type { Release } from './signal.ts';
import type { EpochMs } from './time.ts';

/** What decides who may advance an execution. */
export interface Held extends ExecutionKey {
  /** `status.holder`; absent: nobody has begun. */
  readonly holder?: string | undefined;
  /** An effect was sent, or may have been, and nothing is known of it yet. */
  readonly hasOpenEffect: boolean;
}

/**
 * Which of several processes that share a store advances what. Each process is an incarnation with a lease of its own; what
 * a dead one held, and what nobody has begun, is shared out among the living.
 */
export interface Holding {
  /**
   * The incarnation in whose name this process writes. Undefined while it has none: then it advances nothing. It changes
   * when the lease has lapsed, if only for an instant: what was begun in the old name is dropped.
   */
  readonly holder: string | undefined;
  /**
   * Whether the incarnation's lease is certainly still its own, by this process's own monotonic clock. Asked before each
   * write and before the first byte of each send; false for good once it was false.
   */
  isAlive(holder: string): boolean;
  /** Since when this process is the one to advance it; a time to come where it must not yet; undefined: another one's. */
  claim(held: Held): EpochMs | undefined;
  /** Calls back when a claim may have changed: another incarnation came or went, or this one did. */
  watch(onChange: () => void): Release;
}

/**
 * In whose name the send that runs now was begun. Process-wide, so that it also reaches what is shared by all executions;
 * absent outside of sends, and where no other process shares the store.
 */
export const sendingAs = new AsyncLocalStorage<string>();
