import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exchange } from '../exchange.ts';
import { type Listening, listenOnLoopback } from '../listen.ts';
import type { CachedPage, EdgeCache } from './edge-cache.ts';

export interface EdgeContext {
  readonly cache: EdgeCache;
  readonly originPort: number;
  /** For visits that name no host but the edge's own address. */
  readonly defaultHost: string;
  readonly nowMs: () => number;
}

/**
 * An edge server in front of an origin: GET requests are answered from the cache, with CF-Cache-Status as Cloudflare
 * gives it (developers.cloudflare.com/cache/concepts/cache-responses). The origin tags its pages with Cache-Tag.
 */
export function startEdge(context: EdgeContext): Promise<Listening> {
  return listenOnLoopback(
    createServer((request, response) => {
      visit(context, request, response).catch((error: unknown) => {
        response.writeHead(502, { 'content-type': 'text/plain' }).end(`the edge failed: ${error}`);
      });
    }),
  );
}

async function visit(context: EdgeContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { cache, nowMs } = context;
  const host = hostOf(request, context.defaultHost);
  const path = request.url ?? '/';
  const known = cache.get(host, path, nowMs());
  if (known !== undefined && !known.stale) return serve(response, known, 'HIT');

  const { page, storable } = await fetchPage(context.originPort, host, path);
  if (storable) cache.set(page, nowMs());
  serve(response, page, storable ? statusOf(known, page) : 'BYPASS');
}

function statusOf(known: CachedPage | undefined, fetched: CachedPage): string {
  if (known === undefined) return 'MISS';
  return known.body === fetched.body ? 'REVALIDATED' : 'EXPIRED';
}

function serve(response: ServerResponse, { body, contentType }: CachedPage, status: string): void {
  response.writeHead(200, { 'content-type': contentType, 'cf-cache-status': status }).end(body);
}

async function fetchPage(originPort: number, host: string, path: string) {
  const answer = await exchange(`http://127.0.0.1:${originPort}${path}`, { headers: { host } });
  const header = (name: string) => String(answer.headers[name] ?? '');
  const tags = header('cache-tag').split(',');
  const page: CachedPage = {
    host,
    path,
    tags: new Set(tags.map((tag) => tag.trim().toLowerCase()).filter((tag) => tag !== '')),
    body: answer.text,
    contentType: header('content-type'),
    stale: false,
  };
  return { page, storable: answer.status === 200 && !/private|no-store|no-cache/.test(header('cache-control')) };
}

function hostOf(request: IncomingMessage, defaultHost: string): string {
  const host = (request.headers.host ?? '').toLowerCase();
  return host === '' || host.startsWith('127.0.0.1') ? defaultHost : host;
}
