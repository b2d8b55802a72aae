import { exchange } from './exchange.ts';
import type { Listening } from './listen.ts';
import { type RawAnswer, type RawRequest, serveRawHttp } from './raw-http.ts';

interface Page {
  readonly body: string;
  readonly contentType: string;
  readonly keys: readonly string[];
  /** Served once more while it is fetched anew. */
  isStale: boolean;
}

/**
 * Plays a Varnish with the rules of docs/examples/varnish.vcl where none is installed: the same methods and headers, kept
 * to them by the contract suite that the real one runs. Pages stay in memory until they are purged; there is no Vary.
 */
export async function startVarnishStandIn({ originPort }: { readonly originPort: number }): Promise<Listening> {
  const cache = new PageCache(`http://127.0.0.1:${originPort}`);
  return await serveRawHttp((request) => cache.answer(request));
}

class PageCache {
  readonly #origin: string;
  readonly #pages = new Map<string, Page>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  async answer(request: RawRequest): Promise<RawAnswer> {
    const { method, headers } = request;
    const key = keyOf(request);
    switch (method) {
      case 'GET':
        return await this.#visit(request);
      case 'PURGE':
        this.#pages.delete(key);
        return purged('Purged');
      case 'SOFTPURGE':
        return purged(`${this.#soften((_, pageKey) => pageKey === key)} objects`);
      case 'PURGEKEYS': {
        const dropped = headers['xkey-purge'];
        const softened = headers['xkey-softpurge'];
        if (dropped !== undefined) return purged(`${this.#drop(hasKeyOf(dropped))} objects`);
        if (softened !== undefined) return purged(`${this.#soften(hasKeyOf(softened))} objects`);
        return refused('Expected xkey-purge or xkey-softpurge');
      }
      case 'BAN': {
        const pattern = headers['x-ban-url'];
        if (pattern === undefined || /\s/.test(pattern)) return refused('Expected x-ban-url without spaces');
        const banned = new RegExp(pattern);
        this.#drop((_, pageKey) => banned.test(pageKey));
        return purged('Banned');
      }
      default:
        return { status: 405, reason: 'Method Not Allowed' };
    }
  }

  async #visit(request: RawRequest): Promise<RawAnswer> {
    const page = this.#pages.get(keyOf(request));
    if (page === undefined) return shown(await this.#fetch(request), 'miss');
    if (!page.isStale) return shown(page, 'hit');
    // A page that cannot be had anew stays as it is; the next visit tries again.
    this.#fetch(request).catch(() => undefined);
    return shown(page, 'stale');
  }

  async #fetch(request: RawRequest): Promise<Page> {
    const { headers, text } = await exchange(this.#origin + request.path, { headers: { host: hostOf(request) } });
    const page: Page = {
      body: text,
      contentType: String(headers['content-type'] ?? 'text/plain'),
      keys: String(headers.xkey ?? '').split(' '),
      isStale: false,
    };
    this.#pages.set(keyOf(request), page);
    return page;
  }

  #drop(isMeant: (page: Page, key: string) => boolean): number {
    const keys = this.#keysOf(isMeant);
    for (const key of keys) this.#pages.delete(key);
    return keys.length;
  }

  #soften(isMeant: (page: Page, key: string) => boolean): number {
    const keys = this.#keysOf(isMeant);
    for (const key of keys) {
      const page = this.#pages.get(key);
      if (page !== undefined) page.isStale = true;
    }
    return keys.length;
  }

  #keysOf(isMeant: (page: Page, key: string) => boolean): string[] {
    return [...this.#pages].filter(([key, page]) => isMeant(page, key)).map(([key]) => key);
  }
}

/** Host and path with its query: what the rules keep with each object for bans, and what tells pages apart. */
function keyOf(request: RawRequest): string {
  return hostOf(request) + request.path;
}

function hostOf({ headers }: RawRequest): string {
  return (headers.host ?? '').toLowerCase();
}

function hasKeyOf(header: string): (page: Page) => boolean {
  const wanted = new Set(header.split(/[ ,]+/));
  return ({ keys }) => keys.some((key) => wanted.has(key));
}

function shown({ body, contentType }: Page, how: 'hit' | 'miss' | 'stale'): RawAnswer {
  return { status: 200, reason: 'OK', headers: { 'content-type': contentType, 'x-cache': how }, body };
}

function purged(reason: string): RawAnswer {
  return { status: 200, reason, headers: { 'x-purge': reason } };
}

function refused(reason: string): RawAnswer {
  return { status: 400, reason, headers: { 'x-purge': reason } };
}
