import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import { varnish } from '../../../src/providers/cdn/varnish.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import type { CacheServer } from '../../support/cache-server.ts';
import { exchange } from '../../support/exchange.ts';
import { freeLoopbackPort } from '../../support/loopback-port.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { startVarnish } from '../../support/varnish.ts';
import { providerTools } from '../provider-tools.ts';
import { startCachedPages } from './cached-pages.ts';
import { assertOpen, assertRejected, purge, testCdnProvider } from './contract.ts';

testCdnProvider(varnish, {
  start: () =>
    startCachedPages({
      startCache: ({ port }) => startVarnish({ originPort: port, edit: showFreshness }),
      isFresh: (headers) => headers['x-fresh'] === 'yes',
    }),
  optionsFor: (url) => ({ endpoints: [url] }),
  htmlMeans: 'Rejected',
});

function showFreshness(vcl: string): string {
  return vcl.replace(
    'sub vcl_deliver {',
    'sub vcl_deliver {\n    if (obj.ttl > 0s) { set resp.http.x-fresh = "yes"; }',
  );
}

describe('several Varnish nodes', () => {
  const http = createHttpFetch({ userAgent: 'aftersync-test' });
  let origin: Origin;
  let nodes: CacheServer[];
  before(async () => {
    origin = await startOrigin();
    nodes = await Promise.all([1, 2].map(() => startVarnish({ originPort: origin.port })));
  });
  after(async () => {
    await Promise.all([http.close(), ...(nodes ?? []).map((node) => node.close())]);
    await origin?.close();
  });

  const open = (...endpoints: string[]) =>
    cdnConnectionType(varnish).open({ endpoints }, providerTools({ fetch: http.fetch }));
  const visit = async (node: CacheServer, path: string) =>
    (await exchange(node.url + path, { headers: { host: 'www.example.com' } })).text;
  const call = { kind: 'urls', items: ['http://www.example.com/nodes'], soft: false } as const;

  it('are all purged', async () => {
    const before = await Promise.all(nodes.map((node) => visit(node, '/nodes')));
    await purge(open(...nodes.map(({ url }) => url)), call);
    const later = await Promise.all(nodes.map((node) => visit(node, '/nodes')));
    for (const [index, text] of later.entries()) assert.notEqual(text, before[index]);
  });

  it('count as purged only when all have answered', async () => {
    const dead = `http://127.0.0.1:${await freeLoopbackPort()}`;
    const [first] = nodes;
    assert.ok(first);
    await assert.rejects(purge(open(first.url, dead), call), (error: Error) => {
      assertOpen(error);
      assert.match(error.message, /1 of 2 Varnish nodes failed: .*ECONNREFUSED/);
      return true;
    });
  });
});

describe('a Varnish that is set up wrongly', () => {
  const http = createHttpFetch({ userAgent: 'aftersync-test' });
  after(() => http.close());

  async function failureWith(change: { purgers?: string[]; edit?: (vcl: string) => string }): Promise<Error> {
    const origin = await startOrigin();
    const node = await startVarnish({ originPort: origin.port, ...change });
    const client = cdnConnectionType(varnish).open({ endpoints: [node.url] }, providerTools({ fetch: http.fetch }));
    try {
      await purge(client, { kind: 'urls', items: ['http://www.example.com/a'], soft: false });
      return assert.fail('expected a failure');
    } catch (error) {
      assertRejected(error);
      return error as Error;
    } finally {
      await node.close();
      await origin.close();
    }
  }

  it('does not let this address purge', async () => {
    assert.match((await failureWith({ purgers: ['192.0.2.1'] })).message, /answered PURGE with 403.*varnish\.vcl/);
  });

  it('hands PURGE on to its origin, whose answer is not taken for its own', async () => {
    const failure = await failureWith({
      edit: (vcl) => vcl.replace('sub vcl_recv {', 'sub vcl_recv {\n    return (pipe);'),
    });
    assert.match(failure.message, /answered PURGE with 200 but without x-purge: the rules for PURGE are missing/);
  });
});
