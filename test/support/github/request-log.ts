import type { IncomingHttpHeaders } from 'node:http';
import type { EpochMs } from '../../../src/core/time.ts';
import type { RouteName } from './routes.ts';

/** A request as it arrived, and, once that is known, how it ended. */
export interface RecordedRequest {
  readonly method: string;
  /** With base path and query. */
  readonly path: string;
  /** Undefined: no call that the stand-in knows. */
  readonly route: RouteName | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly at: EpochMs;
  /** The status sent, or how the connection was treated instead. */
  outcome?: number | 'reset' | 'hang' | 'truncate';
}

interface Waiter {
  readonly predicate: (request: RecordedRequest) => boolean;
  readonly resolve: (request: RecordedRequest) => void;
  readonly reject: (error: Error) => void;
}

export class RequestLog {
  readonly entries: RecordedRequest[] = [];
  #waiters: Waiter[] = [];

  /**
   * Whoever waits goes on only after the caller's synchronous work, so after the request was carried out: a test may kill
   * the client in that moment and knows what the server has done.
   */
  record(request: RecordedRequest): void {
    this.entries.push(request);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.predicate(request)) waiter.resolve(request);
      else this.#waiters.push(waiter);
    }
  }

  /** The first that matches, among those recorded and those to come. */
  waitFor(predicate: Waiter['predicate']): Promise<RecordedRequest> {
    const known = this.entries.find(predicate);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => this.#waiters.push({ predicate, resolve, reject }));
  }

  clear(): void {
    this.entries.length = 0;
  }

  close(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(new Error('the stand-in was closed before such a request came'));
  }
}
