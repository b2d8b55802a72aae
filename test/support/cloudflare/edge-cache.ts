import type { Purge } from './purge-request.ts';
import { belongsTo, type Zone } from './zones.ts';

export interface CachedPage {
  readonly host: string;
  /** With the query. */
  readonly path: string;
  /** Lower case, as Cloudflare compares them. */
  readonly tags: ReadonlySet<string>;
  readonly body: string;
  readonly contentType: string;
  /** Invalidated: to be fetched again before it is served. */
  stale: boolean;
}

interface PendingPurge {
  readonly purge: Purge;
  readonly zone: Zone;
  readonly effectiveAtMs: number;
}

/** The pages that one edge holds. Purges take effect only after a while, like the real ones. */
export class EdgeCache {
  readonly #pages = new Map<string, CachedPage>();
  readonly #effectDelayMs: number;
  #pending: PendingPurge[] = [];

  constructor(effectDelayMs: number) {
    this.#effectDelayMs = effectDelayMs;
  }

  purge(purge: Purge, zone: Zone): void {
    this.#pending.push({ purge, zone, effectiveAtMs: purge.atMs + this.#effectDelayMs });
  }

  get(host: string, path: string, nowMs: number): CachedPage | undefined {
    this.#settle(nowMs);
    return this.#pages.get(host + path);
  }

  set(page: CachedPage, nowMs: number): void {
    this.#settle(nowMs);
    this.#pages.set(page.host + page.path, page);
  }

  /** A page that is stored before a purge takes effect is purged by it too. */
  #settle(nowMs: number): void {
    const due = this.#pending.filter(({ effectiveAtMs }) => effectiveAtMs <= nowMs);
    this.#pending = this.#pending.filter(({ effectiveAtMs }) => effectiveAtMs > nowMs);
    for (const { purge, zone } of due) {
      for (const [key, page] of this.#pages) {
        if (!belongsTo(zone, page.host) || !purge.items.some((item) => matches[purge.kind](item, page))) continue;
        if (purge.soft) page.stale = true;
        else this.#pages.delete(key);
      }
    }
  }
}

const matches: Readonly<Record<Purge['kind'], (item: string, page: CachedPage) => boolean>> = {
  files(item, { host, path }) {
    const [address = ''] = item.split(' ');
    const url = new URL(address);
    return url.host === host && url.pathname + url.search === path;
  },
  tags: (item, { tags }) => tags.has(item.toLowerCase()),
  hosts: (item, { host }) => item === host,
  prefixes: matchesPrefix,
  purge_everything: () => true,
};

/** By whole path segments. Source: developers.cloudflare.com/cache/how-to/purge-cache/purge_by_prefix, its examples. */
function matchesPrefix(item: string, { host, path }: CachedPage): boolean {
  const [prefixHost = '', ...segments] = item.split('/');
  const prefix = `${prefixHost.toLowerCase()}/${segments.join('/')}`.replace(/\/$/, '');
  const address = host + (path.split('?', 1)[0] ?? '');
  return address === prefix || address.startsWith(`${prefix}/`);
}
