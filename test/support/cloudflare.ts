import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

import { type BatchLimit, CloudflareApi } from './cloudflare/api.ts';
import { startEdge } from './cloudflare/edge.ts';
import { EdgeCache } from './cloudflare/edge-cache.ts';
import type { Fault } from './cloudflare/faults.ts';
import type { PurgedItems } from './cloudflare/purged-items.ts';
import { describeZone, type Zone, type ZoneOptions } from './cloudflare/zones.ts';
import { listenOnLoopback } from './listen.ts';

export interface CloudflareOptions {
  /** Default: one zone, example.com, on the free plan. */
  readonly zones?: readonly [ZoneOptions, ...ZoneOptions[]];
  /** The only one that is let in. */
  readonly token?: string;
  /** Milliseconds; only differences count. Default: the machine's clock. */
  readonly nowMs?: () => number;
  /** An edge server that purges take effect on. Default: none. */
  readonly edge?: {
    readonly originPort: number;
    /** From the accepted purge to its effect. Default 0. */
    readonly effectDelayMs?: number;
  };
}

export interface CapturedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
  /** The status sent, or how the connection was treated instead. */
  readonly outcome: number | 'reset' | 'hang';
}

export interface Cloudflare {
  /** What stands in for https://api.cloudflare.com/client/v4, without a slash at the end. */
  readonly apiUrl: string;
  readonly token: string;
  readonly zones: readonly [Zone, ...Zone[]];
  /** All calls of the API in the order of their arrival, refused and failed ones too. */
  readonly requests: readonly CapturedRequest[];
  /** Resolves once that many have come. */
  waitForRequests(count: number): Promise<void>;
  readonly purged: PurgedItems;
  /** http://127.0.0.1:PORT of the edge, where there is one. */
  readonly edgeUrl: string | undefined;
  /** What happens to the purges that come next: each fault hits so many (default 1), one after the other. */
  failNext(fault: Fault, times?: number): void;
  limitBatch(limit: BatchLimit): void;
  close(): Promise<void>;
}

/** Cloudflare's purge API with its documented limits enforced; the sources stand beside each of them. */
export async function startCloudflare(options: CloudflareOptions = {}): Promise<Cloudflare> {
  const { zones: [first, ...others] = [{ name: 'example.com' }], token = 'cf-token', nowMs = Date.now } = options;
  const zones = [describeZone(first), ...others.map(describeZone)] as const;
  const edgeCache = new EdgeCache(options.edge?.effectDelayMs ?? 0);
  const api = new CloudflareApi({ zones, token, edgeCache });
  const requests: CapturedRequest[] = [];
  let waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const body = await text(request);
    const atMs = nowMs();
    const delivery = api.answer({ method, path, authorization: headers.authorization, body, atMs });
    const outcome = typeof delivery === 'string' ? delivery : delivery.status;
    requests.push({ method, path, headers, body, atMs, outcome });
    if (delivery === 'reset') request.socket.resetAndDestroy();
    else if (delivery !== 'hang') response.writeHead(delivery.status, delivery.headers).end(delivery.body);
    for (const { count, resolve } of waiters) if (count <= requests.length) resolve();
    waiters = waiters.filter(({ count }) => count > requests.length);
  }

  const edge =
    options.edge &&
    (await startEdge({ cache: edgeCache, originPort: options.edge.originPort, defaultHost: first.name, nowMs }));
  const server = createServer((request, response) => {
    // A client that is killed while it sends is no mistake of ours.
    serve(request, response).catch(() => request.socket.destroy());
  });
  const listening = await listenOnLoopback(server);
  return {
    apiUrl: `${listening.url}/client/v4`,
    token,
    zones,
    requests,
    purged: api.purged,
    edgeUrl: edge?.url,
    async waitForRequests(count) {
      if (requests.length >= count) return;
      await new Promise<void>((resolve) => void waiters.push({ count, resolve }));
    },
    failNext: (fault, times = 1) => api.faults.add(fault, times),
    limitBatch: (limit) => void api.batchLimits.set(limit.kind, limit),
    async close() {
      await Promise.all([listening.close(), edge?.close()]);
    },
  };
}
