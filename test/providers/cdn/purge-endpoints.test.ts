import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { after, describe, it } from 'node:test';
import type { HttpAnswer, HttpFetch } from '../../../src/core/connection.ts';
import { NotSent } from '../../../src/core/effect.ts';
import { mistakesOf } from '../../../src/core/schema.ts';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import type { PurgeCall } from '../../../src/providers/cdn/provider.ts';
import { varnish } from '../../../src/providers/cdn/varnish.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import { type Listening, listenOnLoopback } from '../../support/listen.ts';
import { freeLoopbackPort } from '../../support/loopback-port.ts';
import { providerTools } from '../provider-tools.ts';
import { assertOpen, assertRejected, purge } from './contract.ts';

const http = createHttpFetch({ userAgent: 'aftersync-test' });
const servers: Listening[] = [];
after(() => Promise.all([http.close(), ...servers.map((server) => server.close())]));

async function node(listener: RequestListener): Promise<string> {
  const server = await listenOnLoopback(createServer(listener));
  servers.push(server);
  return server.url;
}

/** A node that answers with this status, as our rules do. */
const answering = (status: number, headers: Record<string, string> = { 'x-purge': 'Purged' }) =>
  node((_request, response) => void response.writeHead(status, headers).end());

const deadNode = async (): Promise<string> => `http://127.0.0.1:${await freeLoopbackPort()}`;
const url: PurgeCall = { kind: 'urls', items: ['http://www.example.com/a'], soft: false };

function purgeAt(endpoints: string[], call: PurgeCall = url) {
  const client = cdnConnectionType(varnish).open({ endpoints }, providerTools({ fetch: http.fetch }));
  return purge(client, call);
}

async function failureAt(endpoints: string[], call?: PurgeCall): Promise<Error> {
  return purgeAt(endpoints, call).then(
    () => assert.fail('expected a failure'),
    (error: Error) => error,
  );
}

describe('nodes that a file lists', () => {
  const listFile = '/nodes';

  function open(content: () => string) {
    const credentials = {
      get [listFile]() {
        return content();
      },
    };
    return cdnConnectionType(varnish).open(
      { endpoints: { listFile } },
      providerTools({ fetch: http.fetch, credentials }),
    );
  }

  it('are those that stand there now', async () => {
    const seen: string[] = [];
    const listener =
      (name: string): RequestListener =>
      (_request, response) => {
        seen.push(name);
        response.setHeader('x-purge', 'Purged').end();
      };
    const [first, second] = [await node(listener('first')), await node(listener('second'))];
    let content = first;
    const client = open(() => content);
    await purge(client, url);
    content = `${first}\n${second}/`;
    await purge(client, url);
    assert.deepEqual(seen.sort(), ['first', 'first', 'second']);
  });

  it('are described by the file, which a plan does not read', () => {
    const client = open(() => assert.fail('it was read'));
    assert.equal(client.estimate([url], false).calls[0]?.url, 'each node in /nodes');
  });

  for (const content of ['10.0.0.5:6081', 'http://a:1 http://a:1', 'http://u:p@a:1', `http://a:1\nhttp://b:1/path`]) {
    it(`are refused, without showing them, where that is no list of addresses: ${JSON.stringify(content)}`, async () => {
      const failure = await purge(
        open(() => content),
        url,
      ).catch((error: unknown) => error);
      assertRejected(failure);
      assert.match((failure as Error).message, /^\/nodes does not hold 1 to 64 different addresses such as http:/);
      assert.doesNotMatch((failure as Error).message, /a:1/);
    });
  }
});

it('a connection is refused where its endpoints are neither a list nor a file', () => {
  const { options } = cdnConnectionType(varnish);
  for (const endpoints of [
    [],
    ['10.0.0.5:6081'],
    {},
    { listFile: '' },
    { listFile: '/nodes', more: 1 },
    'http://a:1',
  ]) {
    const [mistake] = mistakesOf(options, { endpoints });
    assert.equal(mistake?.path, '/endpoints');
    assert.match(mistake.message, /^expected a list of 1 to 64 addresses .* or \{ listFile: PATH \}/);
  }
  assert.deepEqual(mistakesOf(options, { endpoints: { listFile: '/nodes' } }), []);
});

describe('a purge of several nodes', () => {
  it('goes to each with the Host and address of the URL', async () => {
    const seen: string[] = [];
    const listener: RequestListener = ({ method, url: path, headers }, response) => {
      seen.push(`${method} ${headers.host} ${path}`);
      response.setHeader('x-purge', 'Purged').end();
    };
    await purgeAt([await node(listener), `${await node(listener)}/`], {
      ...url,
      items: ['http://www.example.com:8080/a%20b?c'],
    });
    assert.deepEqual(seen, Array(2).fill('PURGE www.example.com:8080 /a%20b?c'));
  });

  it('is done when each has purged, or had nothing to purge', async () => {
    assert.deepEqual((await purgeAt([await answering(200), await answering(404), await answering(204)])).failed, []);
  });

  it('is not sent where no node can be reached', async () => {
    assert.ok((await failureAt([await deadNode(), await deadNode()])) instanceof NotSent);
  });

  it('is open where one node cannot be reached, and names the reason', async () => {
    const failure = await failureAt([await answering(200), await deadNode()]);
    assertOpen(failure);
    assert.match(failure.message, /^1 of 2 Varnish nodes failed: .*ECONNREFUSED/);
  });

  it('is rejected where one node rejects it, whatever the others do', async () => {
    assertRejected(await failureAt([await deadNode(), await answering(403)]));
  });

  it('waits for a node that limits the rate', async () => {
    const limiting = await answering(429, { 'retry-after': '3' });
    assert.ok((await failureAt([limiting])) instanceof NotSent);
    assertOpen(await failureAt([limiting, await answering(200)]));
  });
});

describe('an answer', () => {
  for (const status of [200, 204, 404, 405, 501]) {
    it(`of ${status} without x-purge is not from the rules, which are missing`, async () => {
      const failure = await failureAt([await answering(status, {})]);
      assertRejected(failure);
      assert.match(failure.message, new RegExp(`with ${status} but without x-purge: .*docs/examples/varnish\\.vcl`));
    });
  }

  it('of 400 from the rules refuses the item', async () => {
    const { failed } = await purgeAt([await answering(400, { 'x-purge': 'Regex compile error' })]);
    assert.match(failed[0]?.message ?? '', /answered PURGE with 400 Regex compile error/);
  });

  it('of 400 from Varnish itself, whose header lines are limited, makes calls smaller', async () => {
    const sizes: number[] = [];
    const client = overFetch(async ({ headers = {} }) => {
      const keys = String(headers['xkey-purge']).split(' ').length;
      sizes.push(keys);
      return keys > 2 ? { status: 400, headers: {}, text: '' } : purged;
    });
    assert.deepEqual((await purge(client, { kind: 'tags', items: ['a', 'b', 'c', 'd'], soft: false })).failed, []);
    assert.deepEqual(sizes, [4, 2, 2]);
  });
});

describe('the requests for Varnish', () => {
  for (const { kind, items, soft, request } of [
    { kind: 'urls', items: ['http://www.example.com/a'], soft: true, request: 'SOFTPURGE /a' },
    { kind: 'tags', items: ['a', 'b'], soft: false, request: 'PURGEKEYS / xkey-purge: a b' },
    { kind: 'tags', items: ['a', 'b'], soft: true, request: 'PURGEKEYS / xkey-softpurge: a b' },
    {
      kind: 'prefixes',
      items: ['www.example.com/a(1)/', 'www.example.com/b+'],
      soft: false,
      request: 'BAN / x-ban-url: ^(?:www\\.example\\.com/a\\(1\\)/|www\\.example\\.com/b\\+)',
    },
    { kind: 'hosts', items: ['a.example.com'], soft: false, request: 'BAN / x-ban-url: ^(?:a\\.example\\.com/)' },
    { kind: 'everything', items: ['everything'], soft: false, request: 'BAN / x-ban-url: ^(?:)' },
  ] as const) {
    it(`are ${request}`, async () => {
      const seen: string[] = [];
      const client = overFetch(async ({ method, url: address, headers = {} }) => {
        const rest = Object.entries(headers).flatMap(([name, value]) => (name === 'host' ? [] : [`${name}: ${value}`]));
        seen.push([method, new URL(address).pathname, ...rest].join(' '));
        return purged;
      });
      await purge(client, { kind, items, soft });
      assert.deepEqual(seen, [request]);
    });
  }
});

const purged: HttpAnswer = { status: 200, headers: { 'x-purge': 'Purged' }, text: '' };

/** Without a server, since Node's does not know Varnish's own methods. */
function overFetch(fetch: HttpFetch) {
  return cdnConnectionType(varnish).open({ endpoints: ['http://127.0.0.1:6081'] }, providerTools({ fetch }));
}
