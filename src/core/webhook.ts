import type { IncomingHttpHeaders } from 'node:http';

/** Takes what a provider sends when something has happened there. It only wakes: what is so, the provider is then asked. */
export interface WebhookReceiver {
  /**
   * The signals to raise, `<source prefix>:<key>`; none where it tells of nothing that anybody waits for. Problems:
   * not-found where nothing is configured to receive it, bad-signature where nobody of ours can have agreed with the sender
   * on its secret, malformed-json, invalid-parameters.
   */
  receive(headers: IncomingHttpHeaders, body: Buffer): Promise<readonly string[]>;
}
