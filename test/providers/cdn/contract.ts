import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { CdnClient } from '../../../src/providers/cdn/cdn-client.ts';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import type { CdnProvider, PurgeCall, PurgeKind } from '../../../src/providers/cdn/provider.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import { type Listening, listenOnLoopback } from '../../support/listen.ts';
import { freeLoopbackPort } from '../../support/loopback-port.ts';
import { providerTools, recording } from '../provider-tools.ts';

export interface Page {
  readonly url: string;
  readonly tags: readonly string[];
}

export type PageState = 'fresh' | 'stale' | 'dropped';

/** A cache that is filled and looked at from the outside. */
export interface CdnUnderTest {
  readonly options: JsonObject;
  readonly credentials?: Readonly<Record<string, string>>;
  store(pages: readonly Page[]): Promise<void>;
  /** What became of each page since it was stored. */
  statesOf(pages: readonly Page[]): Promise<PageState[]>;
  close(): Promise<void>;
}

interface Example {
  readonly items: readonly string[];
  readonly purged: readonly Page[];
  /** Pages that come close, but are not meant. */
  readonly others: readonly Page[];
}

export interface ContractOptions {
  readonly start: () => Promise<CdnUnderTest>;
  /** Options that lead to a server of the test's, which answers badly. */
  readonly optionsFor: (url: string) => JsonObject;
  readonly credentials?: Readonly<Record<string, string>>;
  /** What the provider makes of a page that is not its answer: nobody purged, or nobody knows. */
  readonly htmlMeans: 'open' | 'Rejected';
  /** A path is one for all hosts: pages of other hosts are no bystanders. Default: each host has its own. */
  readonly hostsShareAPath?: boolean;
}

/** What every CDN provider must do. Adapters add their peculiarities in files of their own. */
export function testCdnProvider(provider: CdnProvider, options: ContractOptions): void {
  const http = createHttpFetch({ userAgent: 'aftersync-test' });
  after(() => http.close());

  function othersOf({ purged, others }: Example): readonly Page[] {
    const hosts = purged.map(({ url }) => new URL(url).host);
    return options.hostsShareAPath === true ? others.filter(({ url }) => hosts.includes(new URL(url).host)) : others;
  }

  function open(own: JsonObject, credentials: Readonly<Record<string, string>> = {}) {
    const { fetch, requests } = recording(http.fetch);
    const client = cdnConnectionType(provider).open(own, providerTools({ fetch, credentials }));
    return { client, requests };
  }

  describe(`${provider.type} purges`, () => {
    let cdn: CdnUnderTest;
    let client: CdnClient;
    before(async () => {
      cdn = await options.start();
      ({ client } = open(cdn.options, cdn.credentials));
    });
    after(() => cdn?.close());

    for (const kind of kindsOf(provider)) {
      const example = examples[kind];
      const others = othersOf(example);
      for (const soft of provider.kinds[kind]?.soft === true ? [false, true] : [false]) {
        it(`${kind}${soft ? ' softly' : ''}, and nothing else`, async () => {
          await cdn.store([...example.purged, ...others]);
          assert.deepEqual((await purge(client, { kind, items: example.items, soft })).failed, []);
          const expected = soft ? 'stale' : 'dropped';
          assert.deepEqual(await named(cdn, example.purged), all(example.purged, expected));
          assert.deepEqual(await named(cdn, others), all(others, 'fresh'));
        });
      }
    }
  });

  describe(`${provider.type} purges 2,500 items in as few calls as the limits allow, each of them:`, () => {
    for (const kind of kindsOf(provider).filter((kind) => kind !== 'everything')) {
      it(kind, async () => {
        const work = many(kind, 2_500);
        const items = work.map(({ item }) => item);
        const pages = work.map(({ page }) => page);
        const bystanders = othersOf(examples[kind]);
        const cdn = await options.start();
        const { client, requests } = open(cdn.options, cdn.credentials);
        try {
          await cdn.store([...pages, ...bystanders]);
          const size = client.batchSize(kind, items);
          await inBatches(client, { kind, items, soft: false }, size);
          const calls = Math.ceil(items.length / size);
          assert.equal(requests.length, calls, 'calls');
          assert.equal(client.estimate([{ kind, items }], false).calls[0]?.count, calls, 'calls as planned');
          assert.deepEqual(await named(cdn, pages), all(pages, 'dropped'));
          assert.deepEqual(await named(cdn, bystanders), all(bystanders, 'fresh'));
        } finally {
          await cdn.close();
        }
      });
    }
  });

  describe(`${provider.type} judges a failure`, () => {
    const servers: Listening[] = [];
    after(() => Promise.all(servers.map((server) => server.close())));

    async function failureAt(url: string, sendTimeout = '30s'): Promise<unknown> {
      const { client } = open({ ...options.optionsFor(url), sendTimeout }, options.credentials);
      const [kind = 'urls'] = kindsOf(provider);
      const items = [numbered[kind](0).item];
      try {
        const { failed } = await purge(client, { kind, items, soft: false });
        return assert.fail(`expected a failure, not an answer with ${failed.length} refused items`);
      } catch (error) {
        return error;
      }
    }

    async function answering(listener: RequestListener): Promise<string> {
      const server = await listenOnLoopback(createServer(listener));
      servers.push(server);
      return server.url;
    }

    async function misbehaving(onRequest: (socket: Socket) => void): Promise<string> {
      const server = createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => onRequest(socket));
        servers.push({ port: 0, url: '', close: async () => void socket.destroy() });
      });
      const port = await new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
      });
      servers.push({ port, url: '', close: async () => void server.close() });
      return `http://127.0.0.1:${port}`;
    }

    const html = '<html><body>Something is wrong</body></html>';
    for (const { name, listener } of [
      { name: 'a 500', listener: (_request, response) => void response.writeHead(500).end() },
      { name: 'a 502 with HTML', listener: (_request, response) => void response.writeHead(502).end(html) },
      {
        name: 'a 503 with JSON',
        listener: (_request, response) => void response.writeHead(503).end('{"success":false}'),
      },
    ] satisfies { name: string; listener: RequestListener }[]) {
      it(`${name} as open`, async () => assertOpen(await failureAt(await answering(listener))));
    }

    it(`a 200 with HTML as ${options.htmlMeans}`, async () => {
      const failure = await failureAt(await answering((_request, response) => void response.end(html)));
      if (options.htmlMeans === 'open') assertOpen(failure);
      else assertRejected(failure);
    });

    it('a reset, a cut and a missing answer as open', async () => {
      assertOpen(await failureAt(await misbehaving((socket) => socket.resetAndDestroy())));
      assertOpen(
        await failureAt(
          await misbehaving((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"suc')),
        ),
      );
      // Long enough for the request to be sent before it is over.
      assertOpen(await failureAt(await misbehaving(() => {}), '1s'));
    });

    it('a refused connection as not sent', async () => {
      const failure = await failureAt(`http://127.0.0.1:${await freeLoopbackPort()}`);
      assert.ok(failure instanceof NotSent, String(failure));
    });

    it('a 429 as not sent, and comes back when the answer says', async () => {
      const startedAt = Date.now();
      const failure = await failureAt(
        await answering((_request, response) => void response.writeHead(429, { 'retry-after': '7' }).end(html)),
      );
      assert.ok(failure instanceof NotSent, String(failure));
      const [earliest, latest] = [startedAt, Date.now()].map((time) => time + 7_000) as [number, number];
      const notBefore = failure.notBefore ?? 0;
      assert.ok(notBefore >= earliest && notBefore <= latest, `${notBefore} is not from ${earliest} to ${latest}`);
    });
  });
}

export function assertOpen(failure: unknown): void {
  assert.ok(failure instanceof Error && !(failure instanceof NotSent || failure instanceof Rejected), String(failure));
}

export function assertRejected(failure: unknown): void {
  assert.ok(failure instanceof Rejected, String(failure));
  assert.equal(failure.reason, 'ConnectionFailed');
}

export function purge(client: CdnClient, call: PurgeCall) {
  return client.purge(call, { namespace: 'default', id: 'contract' });
}

/** As the engine does it: ranges of the batch size, several at once. */
export async function inBatches(client: CdnClient, call: PurgeCall, size: number): Promise<void> {
  let next = 0;
  async function work(): Promise<void> {
    while (next < call.items.length) {
      const items = call.items.slice(next, next + size);
      next += size;
      assert.deepEqual((await purge(client, { ...call, items })).failed, []);
    }
  }
  await Promise.all(Array.from({ length: client.concurrency }, work));
}

function kindsOf(provider: CdnProvider): PurgeKind[] {
  return Object.keys(provider.kinds) as PurgeKind[];
}

function page(url: string, ...tags: string[]): Page {
  return { url: `http://${url}`, tags };
}

/** States by page, so that a difference names the page. */
async function named(cdn: CdnUnderTest, pages: readonly Page[]): Promise<Record<string, PageState | undefined>> {
  const states = await cdn.statesOf(pages);
  return Object.fromEntries(pages.map(({ url }, index) => [url, states[index]]));
}

function all(pages: readonly Page[], state: PageState): Record<string, PageState> {
  return Object.fromEntries(pages.map(({ url }) => [url, state]));
}

const examples: Readonly<Record<PurgeKind, Example>> = {
  urls: {
    items: ['http://www.example.com/a?x=1', "http://www.example.com/odd/%20(b)+'$;,@!?c=%5Bd%5D&e="],
    purged: [page('www.example.com/a?x=1'), page("www.example.com/odd/%20(b)+'$;,@!?c=%5Bd%5D&e=")],
    others: [
      page('www.example.com/a'),
      page('www.example.com/a?x=12'),
      page('www.example.com/A?x=1'),
      page('www.example.com/a/b'),
      page('other.example.com/a?x=1'),
      page('www.example.com/odd/'),
    ],
  },
  tags: {
    items: ['red', 'shop/product:17'],
    purged: [
      page('www.example.com/t1', 'red'),
      page('other.example.com/t2', 'blue', 'red'),
      page('www.example.com/t3', 'shop/product:17'),
    ],
    others: [
      page('www.example.com/t4', 'redder', 'blue'),
      page('www.example.com/t5'),
      page('www.example.com/t6', 'shop/product:1'),
    ],
  },
  prefixes: {
    items: ['www.example.com/img/', 'www.example.com/v1.0/(x)/'],
    purged: [page('www.example.com/img/1'), page('www.example.com/img/deep/2?q=3'), page('www.example.com/v1.0/(x)/y')],
    others: [
      page('www.example.com/imgs/1'),
      page('www.example.com/other/img/1'),
      page('other.example.com/img/1'),
      page('www.example.com/v1x0/(x)/y'),
    ],
  },
  hosts: {
    items: ['www.one.example.com', 'two.example.com'],
    purged: [page('www.one.example.com/a'), page('www.one.example.com/b/c?d'), page('two.example.com/')],
    others: [page('wwwxone.example.com/a'), page('www.two.example.com/a'), page('one.example.com/a')],
  },
  everything: {
    items: ['everything'],
    purged: [page('www.example.com/e1', 'red'), page('other.example.com/e2')],
    others: [],
  },
};

interface ItemAndPage {
  readonly item: string;
  readonly page: Page;
}

/** One of any number of items of a kind, with a page that it alone reaches. */
const numbered: Readonly<Record<PurgeKind, (index: number) => ItemAndPage>> = {
  urls: (index) => ({ item: `http://many.example.com/u/${index}`, page: page(`many.example.com/u/${index}`) }),
  tags: (index) => ({ item: `tag-${index}`, page: page(`many.example.com/t/${index}`, `tag-${index}`) }),
  prefixes: (index) => ({ item: `many.example.com/p/${index}/`, page: page(`many.example.com/p/${index}/x`) }),
  hosts: (index) => ({ item: `h${index}.many.example.com`, page: page(`h${index}.many.example.com/h/${index}`) }),
  everything: (index) => ({ item: 'everything', page: page(`many.example.com/e/${index}`) }),
};

function many(kind: PurgeKind, count: number): ItemAndPage[] {
  return Array.from({ length: count }, (_, index) => numbered[kind](index));
}
