import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NotSent, type Rejected } from '../../../src/core/effect.ts';
import type { Clock } from '../../../src/core/time.ts';
import type { CdnClient } from '../../../src/providers/cdn/cdn-client.ts';
import { fastly } from '../../../src/providers/cdn/fastly.ts';
import type { PurgeKind } from '../../../src/providers/cdn/provider.ts';
import { type Fastly, startFastly } from '../../support/fastly.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { assertOpen, assertRejected, purge } from './contract.ts';
import { HurriedClock, sent } from './hurried-clock.ts';
import { closedAtEnd, openCdn } from './open-cdn.ts';

interface Opened {
  readonly api: Fastly;
  readonly client: CdnClient;
}

async function open({ clock = new ManualClock() as Clock, token = 'fastly-token' } = {}): Promise<Opened> {
  const api = closedAtEnd(await startFastly({ nowMs: () => clock.now() }));
  const options = { service: api.service, apiTokenFile: '/token', baseUrl: `${api.url}/` };
  return { api, client: openCdn(fastly, options, { clock, credentials: { '/token': token } }) };
}

const tags = (count: number) => Array.from({ length: count }, (_, index) => `tag-${index}`);
const oneTag = { kind: 'tags', items: ['a'], soft: false } as const;

describe('a call to Fastly', () => {
  for (const { kind, items, path, body } of [
    { kind: 'urls', items: ['https://www.example.com/a?b=c%5Bd'], path: '/purge/www.example.com/a?b=c%5Bd', body: '' },
    { kind: 'tags', items: ['a', 'b'], path: '/service/ID/purge', body: '{"surrogate_keys":["a","b"]}' },
    { kind: 'everything', items: ['everything'], path: '/service/ID/purge_all', body: '' },
  ] satisfies { kind: PurgeKind; items: string[]; path: string; body: string }[]) {
    it(`names ${kind}, with the token in a header of its own`, async () => {
      const { api, client } = await open();
      assert.deepEqual((await purge(client, { kind, items, soft: false })).failed, []);
      const [request] = api.requests;
      assert.equal(request?.method, 'POST');
      assert.equal(request?.path.replace(api.service, 'ID'), path);
      assert.equal(request?.body, body);
      assert.equal(request?.headers['fastly-key'], 'fastly-token');
      assert.equal(request?.headers['fastly-soft-purge'], undefined);
    });
  }

  it('purges softly by a header', async () => {
    const { api, client } = await open();
    await purge(client, { ...oneTag, soft: true });
    assert.equal(api.requests[0]?.headers['fastly-soft-purge'], '1');
  });

  it('leaves out keys that are too long', async () => {
    const { api, client } = await open();
    const { failed } = await purge(client, { ...oneTag, items: ['a'.repeat(1_025), 'b'] });
    assert.deepEqual(failed, [{ index: 0, message: 'Fastly takes keys of at most 1024 bytes' }]);
    assert.equal(api.requests[0]?.body, '{"surrogate_keys":["b"]}');
  });

  for (const status of [400, 413] as const) {
    it(`gets smaller where Fastly takes fewer keys than its page says (${status})`, async () => {
      const { api, client } = await open();
      api.failNext({ answer: { status, body: '{"status":"fail","reason":"Exceeded the limit of keys"}' } });
      assert.deepEqual((await purge(client, { ...oneTag, items: tags(200) })).failed, []);
      assert.equal(client.batchSize('tags', tags(200)), 100);
    });
  }
});

describe("Fastly's answer", () => {
  for (const [name, status, body] of [
    ['broken JSON', 200, '{"status":"ok"'],
    ['JSON that is no object', 200, '["ok"]'],
    ['a 503 that says it is ok', 503, '{"status":"ok"}'],
  ] as const) {
    it(`of ${name} is open`, async () => {
      const { api, client } = await open();
      api.failNext({ answer: { status, body } });
      assertOpen(await purge(client, oneTag).catch((error: unknown) => error));
    });
  }

  it('that leaves out a key refuses that key', async () => {
    const { api, client } = await open();
    api.failNext({ answer: { status: 200, body: '{"a":"1","c":"3"}' } });
    const { failed } = await purge(client, { ...oneTag, items: ['a', 'b', 'c'] });
    assert.deepEqual(failed, [{ index: 1, message: 'Fastly answered no purge for this key' }]);
  });

  it('of another status than ok with 200 refuses the item', async () => {
    const { api, client } = await open();
    api.failNext({ answer: { status: 200, body: '{"status":"fail","reason":"no such host"}' } });
    const { failed } = await purge(client, { kind: 'urls', items: ['https://example.com/'], soft: false });
    assert.deepEqual(failed, [{ index: 0, message: 'Fastly: no such host (200)' }]);
  });

  for (const [status, body, message] of [
    [403, '{"msg":"You are not authorized"}', 'Fastly: You are not authorized (403)'],
    [
      404,
      '{"msg":"Record not found","detail":"Cannot load service"}',
      'Fastly: Record not found: Cannot load service (404)',
    ],
  ] as const) {
    it(`with status ${status} means the connection, and says why`, async () => {
      const { api, client } = await open();
      api.failNext({ answer: { status, body } });
      const failure = await purge(client, oneTag).catch((error: unknown) => error);
      assertRejected(failure);
      assert.equal((failure as Rejected).message, message);
    });
  }

  it('to a wrong token is a rejection without the token', async () => {
    const { client } = await open({ token: 's3cret-t0ken' });
    await assert.rejects(purge(client, oneTag), (error) => {
      assertRejected(error);
      return !JSON.stringify([error, (error as Error).message]).includes('s3cret');
    });
  });

  it('of 429 puts off this call and those after it until the hour is over', async () => {
    const clock = new ManualClock();
    const { api, client } = await open({ clock });
    const resetSeconds = Math.ceil(clock.now() / 1_000) + 90;
    const headers = { 'fastly-ratelimit-reset': String(resetSeconds) };
    api.failNext({ answer: { status: 429, headers, body: '{"title":"Too many"}' } });
    await assert.rejects(purge(client, oneTag), { name: 'NotSent', notBefore: resetSeconds * 1_000 });
    await assert.rejects(purge(client, oneTag), NotSent);
    assert.equal(api.requests.length, 1);
    clock.advance(91_000);
    await purge(client, oneTag);
  });
});

describe('the rate limits of Fastly are never met', () => {
  for (const { kind, calls } of [
    { kind: 'tags', calls: 40 },
    { kind: 'everything', calls: 1_100 },
  ] as const) {
    it(`with ${calls} calls for ${kind}`, async () => {
      const clock = new HurriedClock();
      const { api, client } = await open({ clock });
      const items = kind === 'tags' ? tags(256) : ['everything'];
      for (let call = 0; call < calls; call += 1) {
        await sent(clock, () => purge(client, { kind, items, soft: false }));
      }
      assert.equal(api.requests.length, calls);
      assert.ok(api.requests.every(({ outcome }) => outcome === 200));
    });
  }
});
