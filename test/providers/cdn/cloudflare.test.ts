import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, describe, it } from 'node:test';
import { NotSent, type Rejected } from '../../../src/core/effect.ts';
import type { Json, JsonObject } from '../../../src/core/json.ts';
import { type Clock, systemClock } from '../../../src/core/time.ts';
import { cloudflare } from '../../../src/providers/cdn/cloudflare.ts';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import type { PurgeKind } from '../../../src/providers/cdn/provider.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import { type Cloudflare, type CloudflareOptions, startCloudflare } from '../../support/cloudflare.ts';
import { listenOnLoopback } from '../../support/listen.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { providerTools } from '../provider-tools.ts';
import { assertOpen, assertRejected, purge } from './contract.ts';
import { HurriedClock, sent } from './hurried-clock.ts';

const http = createHttpFetch({ userAgent: 'aftersync-test' });
const closing: (() => Promise<void>)[] = [() => http.close()];
after(() => Promise.all(closing.map((close) => close())));

interface Opening {
  readonly options?: JsonObject;
  readonly token?: string;
  readonly clock?: Clock;
}

async function start(options?: CloudflareOptions): Promise<Cloudflare> {
  const api = await startCloudflare(options);
  closing.push(() => api.close());
  return api;
}

function open(
  api: Pick<Cloudflare, 'apiUrl' | 'zones'>,
  { options = {}, token = 'cf-token', clock = systemClock }: Opening = {},
) {
  const all = { zone: api.zones[0].id, apiTokenFile: '/token', baseUrl: api.apiUrl, ...options };
  return cdnConnectionType(cloudflare).open(
    all,
    providerTools({ fetch: http.fetch, clock, credentials: { '/token': token } }),
  );
}

const urls = (count: number) => Array.from({ length: count }, (_, index) => `https://www.example.com/${index}`);
const tags = (count: number) => Array.from({ length: count }, (_, index) => `tag-${index}`);

describe('a call to Cloudflare', () => {
  for (const { kind, items, body } of [
    { kind: 'urls', items: ['https://www.example.com/a'], body: { files: ['https://www.example.com/a'] } },
    { kind: 'tags', items: ['a', 'b'], body: { tags: ['a', 'b'] } },
    { kind: 'prefixes', items: ['www.example.com/a/'], body: { prefixes: ['www.example.com/a/'] } },
    { kind: 'hosts', items: ['www.example.com'], body: { hosts: ['www.example.com'] } },
    { kind: 'everything', items: ['everything'], body: { purge_everything: true } },
  ] satisfies { kind: PurgeKind; items: string[]; body: Json }[]) {
    it(`names ${kind} in its body, and purges hard or softly by its path`, async () => {
      const api = await start();
      const client = open(api);
      await purge(client, { kind, items, soft: false });
      await purge(client, { kind, items, soft: true });
      assert.deepEqual(
        api.requests.map(({ method, path }) => `${method} ${path.replace(/.*\//, '')}`),
        ['POST purge_cache', 'POST invalidate_cache'],
      );
      assert.deepEqual(JSON.parse(api.requests[0]?.body ?? ''), body);
      assert.equal(api.requests[0]?.headers.authorization, 'Bearer cf-token');
    });
  }

  it('leaves out what Cloudflare cannot take', async () => {
    const api = await start();
    const call = {
      kind: 'urls',
      items: ['https://www.example.com/a*', 'https://www.example.com/b'],
      soft: false,
    } as const;
    assert.deepEqual((await purge(open(api), call)).failed, [{ index: 0, message: 'Cloudflare takes no * in a URL' }]);
    const deep = `www.example.com/${'a/'.repeat(32)}`;
    const { failed } = await purge(open(api), { kind: 'prefixes', items: [deep], soft: false });
    assert.equal(failed[0]?.message, 'Cloudflare takes prefixes with at most 31 slashes');
    assert.deepEqual(
      api.purged.purges.flatMap(({ items }) => items),
      ['https://www.example.com/b'],
    );
  });

  it('isolates an item that Cloudflare refuses', async () => {
    const api = await start();
    const items = [...urls(60), 'https://elsewhere.example/', ...urls(90).slice(60)];
    const { failed } = await purge(open(api), { kind: 'urls', items, soft: false });
    assert.deepEqual(
      failed.map(({ index }) => index),
      [60],
    );
    assert.match(failed[0]?.message ?? '', /elsewhere\.example is not of the zone/);
    for (const url of urls(90)) assert.equal(api.purged.count('files', url), 1);
  });

  for (const status of [400, 413] as const) {
    it(`gets smaller where the account takes fewer items than the page says (${status})`, async () => {
      const api = await start();
      api.limitBatch({ kind: 'files', items: 30, status });
      const client = open(api);
      assert.deepEqual((await purge(client, { kind: 'urls', items: urls(100), soft: false })).failed, []);
      assert.equal(client.batchSize('urls', urls(100)), 25);
      for (const url of urls(100)) assert.equal(api.purged.count('files', url), 1);
    });
  }
});

describe("Cloudflare's answer", () => {
  for (const { name, status, body } of [
    { name: 'broken JSON', status: 200, body: '{"success":true,"errors":[' },
    { name: 'JSON that is no object', status: 200, body: '[true]' },
    { name: 'JSON without success', status: 200, body: '{"result":{}}' },
    { name: 'a 400 with HTML', status: 400, body: '<html></html>' },
    { name: 'a 520 that says it is a success', status: 520, body: '{"success":true}' },
  ]) {
    it(`of ${name} is open`, async () => assertOpen(await failureWith(status, body)));
  }

  for (const { status, code } of [
    { status: 401, code: 10_000 },
    { status: 403, code: 9_109 },
    { status: 404, code: 7_003 },
  ]) {
    it(`with status ${status} means the connection, and says why`, async () => {
      const failure = await failureWith(status, JSON.stringify({ success: false, errors: [{ code, message: 'No.' }] }));
      assertRejected(failure);
      assert.equal((failure as Rejected).message, `Cloudflare: No. (${code})`);
    });
  }

  it('of failure with status 200 refuses the item', async () => {
    const api = await start();
    api.failNext({ kind: 'failure-200' });
    const { failed } = await purge(open(api), { kind: 'tags', items: ['a'], soft: false });
    assert.match(failed[0]?.message ?? '', /Unable to purge/);
  });

  it('to a wrong token is a rejection without the token', async () => {
    const api = await start();
    await assert.rejects(
      purge(open(api, { token: 's3cret' }), { kind: 'tags', items: ['a'], soft: false }),
      (error) => {
        assertRejected(error);
        return !JSON.stringify([error, (error as Error).message]).includes('s3cret');
      },
    );
  });

  it('of 429 puts off this and the calls after it until the time that it names', async () => {
    const clock = new ManualClock();
    const api = await start({ nowMs: () => clock.now() });
    const client = open(api, { clock });
    const call = { kind: 'tags', items: ['a'], soft: false } as const;
    api.failNext({ kind: '429', retryAfterSeconds: 90 });
    await assert.rejects(purge(client, call), { name: 'NotSent', notBefore: clock.now() + 90_000 });
    await assert.rejects(purge(client, call), NotSent);
    assert.equal(api.requests.length, 1);
    clock.advance(90_000);
    await purge(client, call);
    assert.equal(api.purged.count('tags', 'a'), 1);
  });

  async function failureWith(status: number, body: string): Promise<unknown> {
    const server = await listenOnLoopback(
      createServer((_request, response) => void response.writeHead(status).end(body)),
    );
    closing.push(() => server.close());
    const client = open({ apiUrl: server.url, zones: [{ id: '0'.repeat(32) }] as unknown as Cloudflare['zones'] });
    return purge(client, { kind: 'tags', items: ['a'], soft: false }).then(
      () => assert.fail('expected a failure'),
      (error: unknown) => error,
    );
  }
});

describe('the rate limits of Cloudflare are never met', () => {
  for (const { plan, kind, count, seconds } of [
    { plan: 'free', kind: 'urls', count: 10_000, seconds: 12.5 },
    { plan: 'pro', kind: 'urls', count: 10_000, seconds: 6.7 },
    { plan: 'enterprise', kind: 'urls', count: 10_000, seconds: 3.3 },
    { plan: 'free', kind: 'tags', count: 10_000, seconds: 900 },
    { plan: 'business', kind: 'tags', count: 10_000, seconds: 5 },
    { plan: 'enterprise', kind: 'tags', count: 10_000, seconds: 0 },
  ] as const) {
    it(`with ${count} ${kind} on plan ${plan}, which take hardly longer than ${seconds} s`, async () => {
      const clock = new HurriedClock();
      const startedAt = clock.now();
      const api = await start({ zones: [{ name: 'example.com', plan }], nowMs: () => clock.now() });
      const client = open(api, { options: { plan }, clock });
      const items = kind === 'urls' ? urls(count) : tags(count);
      const size = client.batchSize(kind, items);
      for (let start = 0; start < count; start += size) {
        await sent(clock, () => purge(client, { kind, items: items.slice(start, start + size), soft: false }));
      }
      assert.equal(api.requests.length, Math.ceil(count / size));
      assert.ok(api.requests.every(({ outcome }) => outcome === 200));
      const tookSeconds = (clock.now() - startedAt) / 1_000;
      assert.ok(tookSeconds <= 1.05 * seconds, `${tookSeconds} s`);
      assert.ok(client.estimate([{ kind, items }], false).seconds <= seconds);
    });
  }
});
