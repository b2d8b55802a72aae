import { exchange } from '../../support/exchange.ts';
import type { Listening } from '../../support/listen.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import type { CdnUnderTest, Page, PageState } from './contract.ts';

const visitsAtOnce = 32;

export interface CachedPagesOptions {
  readonly startCache: (origin: Origin) => Promise<Listening>;
  /** Whether a page that the cache gave, and that has not changed, is known to be fresh. Default: yes. */
  readonly isFresh?: (headers: Readonly<Record<string, string | string[] | undefined>>) => boolean;
}

/** A real cache with a real origin, seen as a visitor sees it: the origin numbers its answers. */
export async function startCachedPages({
  startCache,
  isFresh = () => true,
}: CachedPagesOptions): Promise<CdnUnderTest> {
  const origin = await startOrigin();
  const cache = await startCache(origin);
  const stored = new Map<string, string>();

  async function visit({ url }: Page) {
    const { host, pathname, search } = new URL(url);
    return exchange(`${cache.url}${pathname}${search}`, { headers: { host } });
  }

  return {
    options: { endpoints: [cache.url] },
    async store(pages) {
      for (const { url, tags } of pages) {
        const { pathname, search } = new URL(url);
        origin.setHeaders(pathname + search, { 'cache-control': 'public, max-age=3600', xkey: tags.join(' ') });
      }
      await forEach(pages, async (page) => {
        // A soft purge of an earlier test leaves a stale page; the first visit fetches it anew, in the background.
        let { text, headers } = await visit(page);
        while (!isFresh(headers)) ({ text, headers } = await visit(page));
        stored.set(page.url, text);
      });
    },
    async statesOf(pages) {
      const states = new Map<string, PageState>();
      await forEach(pages, async (page) => {
        const { text, headers } = await visit(page);
        const isSame = text === stored.get(page.url);
        states.set(page.url, isSame ? (isFresh(headers) ? 'fresh' : 'stale') : 'dropped');
      });
      return pages.map(({ url }) => states.get(url) ?? 'dropped');
    },
    async close() {
      await cache.close();
      await origin.close();
    },
  };
}

async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: visitsAtOnce }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}
