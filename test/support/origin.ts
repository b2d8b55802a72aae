import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';

import { type Listening, listenOnLoopback } from './listen.ts';

export interface OriginRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly host: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * The server behind a cache. Each answer's body differs from the one before (`www.example.com/a?b #2`, the count being
 * the path's), so that a test sees where an answer came from.
 */
export interface Origin extends Listening {
  /** In the order of their arrival. */
  readonly requests: readonly OriginRequest[];
  /** How many requests came for this path, with its query, whatever their host. */
  hits(path: string): number;
  /** Resolves once that many have come. */
  waitForHits(path: string, count: number): Promise<void>;
  /** The headers of this path's answers from now on, instead of the default ones. */
  setHeaders(path: string, headers: OutgoingHttpHeaders): void;
}

const CACHEABLE: OutgoingHttpHeaders = { 'cache-control': 'public, max-age=3600' };

/** `defaultHeaders`: of every answer but those of paths with headers of their own. */
export async function startOrigin(defaultHeaders: OutgoingHttpHeaders = CACHEABLE): Promise<Origin> {
  const requests: OriginRequest[] = [];
  const headersByPath = new Map<string, OutgoingHttpHeaders>();
  let waiters: { readonly path: string; readonly count: number; readonly resolve: () => void }[] = [];
  const hits = (path: string) => requests.filter((request) => request.path === path).length;

  const server = createServer((request, response) => {
    const { method = '', url: path = '', headers } = request;
    const host = headers.host ?? '';
    requests.push({ method, path, host, headers });
    const count = hits(path);
    response.writeHead(200, { 'content-type': 'text/plain', ...(headersByPath.get(path) ?? defaultHeaders) });
    response.end(`${host}${path} #${count}\n`);
    for (const waiter of waiters) if (waiter.path === path && waiter.count <= count) waiter.resolve();
    waiters = waiters.filter((waiter) => waiter.path !== path || waiter.count > count);
  });

  return {
    ...(await listenOnLoopback(server)),
    requests,
    hits,
    async waitForHits(path, count) {
      if (hits(path) >= count) return;
      await new Promise<void>((resolve) => void waiters.push({ path, count, resolve }));
    },
    setHeaders: (path, headers) => void headersByPath.set(path, headers),
  };
}
