import { pino } from 'pino';
import type { ConnectionTools, HttpFetch, HttpRequest } from '../../src/core/connection.ts';
import { type Clock, systemClock } from '../../src/core/time.ts';

export interface ToolsOptions {
  readonly fetch: HttpFetch;
  readonly clock?: Clock;
  /** Contents by path. */
  readonly credentials?: Readonly<Record<string, string | undefined>>;
}

/** What a provider gets from outside, with credentials that need no file. */
export function providerTools({ fetch, clock = systemClock, credentials = {} }: ToolsOptions): ConnectionTools {
  return {
    connectionName: 'test',
    fetch,
    clock,
    log: pino({ level: 'silent' }),
    credential: (path) => ({
      path,
      async read() {
        const content = credentials[path];
        if (content === undefined) throw new Error(`no credential at ${path}`);
        return content;
      },
    }),
  };
}

/** A fetch that keeps what went through it. */
export function recording(fetch: HttpFetch): { readonly fetch: HttpFetch; readonly requests: HttpRequest[] } {
  const requests: HttpRequest[] = [];
  return {
    requests,
    fetch(request) {
      requests.push(request);
      return fetch(request);
    },
  };
}
