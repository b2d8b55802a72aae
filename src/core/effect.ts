import type { Repeat } from './execution.ts';
import type { Json, JsonObject } from './json.ts';
import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';

/** What is stored before a send, and given to it. */
export interface Intent<R extends Json> {
  readonly request: R;
  /** Derived from (namespace, id, effect name), never from chance: the same after a restart or a lost store. 26 characters [a-z2-7]. */
  readonly mark: string;
  readonly evidence?: Json;
  readonly intentAt: EpochMs;
}

/**
 * One external write and what a repeat of it means:
 * `safe`: repeat it. `keyed`: the provider dedupes by our mark; repeat it with the same mark.
 * `find`: never send again blindly; look for the mark first.
 */
export interface Effect<R extends Json, T extends JsonObject> {
  readonly repeat: Repeat;
  readonly request: R;
  /**
   * Evidence to store with the intent, such as the server's time. A throw is retried; nothing was sent, and nothing is open:
   * who must wait before it sends throws NotSent here.
   */
  prepare?(): Promise<Json>;
  /** Throws NotSent or Rejected; after any other throw the effect is open. Bounds its own time, and is never aborted. */
  send(intent: Intent<R>): Promise<T>;
  /** Needed for `find`. 'absent' only where a late arrival cannot happen. */
  find?(intent: Intent<R>): Promise<T | 'absent' | 'unknown'>;
  /** For `find`: how long after the send an effect can still turn up. */
  readonly graceMs?: number;
  /** For `find`, when the grace is over and nothing was found: give up as Uncertain, or send again (at least once). */
  readonly onUncertain?: 'fail' | 'resend';
}

/** Thrown by a send that certainly did nothing: refused connection, rate limit. Thrown by a read: ask again at `notBefore`. */
export class NotSent extends Error {
  readonly notBefore: EpochMs | undefined;

  constructor(message: string, options: { notBefore?: EpochMs; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'NotSent';
    // Times are whole and finite: what computes one from a rate or a header may not see to it.
    const notBefore = Math.ceil(options.notBefore ?? Number.NaN);
    this.notBefore = Number.isFinite(notBefore) ? notBefore : undefined;
  }
}

/** The answer is no, and will stay no: never retried. The message is shown to people. */
export class Rejected extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'Rejected';
    this.reason = reason;
  }
}
