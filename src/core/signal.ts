export type Release = () => void;

/** Something that can be waited for without asking: a watch, a webhook, a shared poller. */
export interface SignalSource {
  /** Signals are `<prefix>:<key>`. */
  readonly prefix: string;
  /**
   * Calls `raise` whenever the thing behind the key may have changed, and once from its own first read after this
   * call: what happened between the step's read and the subscription is therefore never lost.
   */
  subscribe(key: string, raise: () => void): Release;
  /** Told from outside, by a webhook: raises who waits for the key. It may be wrong, come late, or twice. */
  wake?(key: string): void;
}
