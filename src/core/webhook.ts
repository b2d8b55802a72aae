import type { IncomingHttpHeaders } from 'node:http';

/** Takes what a provider sends when something has happened there. It only wakes: what is so, the provider is then asked. */
export interface WebhookReceiver {
  /**
   * The signals to raise, `<source prefix>:<key>`; none where it tells of nothing that anybody waits for. The body is not
   * read where the headers alone show that nobody known has signed it. Problems: not-found where nothing is configured to
   * receive it, bad-signature where no configured secret has signed it, malformed-json, invalid-parameters, unavailable.
   */
  receive(headers: IncomingHttpHeaders, readBody: () => Promise<Buffer>): Promise<readonly string[]>;
}
