import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { Clock } from '../../../src/core/time.ts';
import type { CdnClient } from '../../../src/providers/cdn/cdn-client.ts';
import { cloudfront } from '../../../src/providers/cdn/cloudfront.ts';
import { assertDescribed } from '../../support/cloudfront/description.ts';
import { type CloudFront, type CloudFrontOptions, startCloudFront } from '../../support/cloudfront.ts';
import { listenOnLoopback } from '../../support/listen.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { assertOpen, assertRejected, purge } from './contract.ts';
import { HurriedClock, sent } from './hurried-clock.ts';
import { closedAtEnd, openCdn } from './open-cdn.ts';

async function start(clock: Clock, options: CloudFrontOptions = {}): Promise<CloudFront> {
  return closedAtEnd(await startCloudFront({ nowMs: () => clock.now(), ...options }));
}

function open({ url, distribution, key }: CloudFront, clock: Clock, options: JsonObject = {}): CdnClient {
  const files = { accessKeyIdFile: '/id', secretAccessKeyFile: '/secret', sessionTokenFile: '/session' };
  const { sessionTokenFile, ...withoutSession } = files;
  return openCdn(
    cloudfront,
    {
      distribution,
      hostNames: ['*.example.com', 'example.com'],
      baseUrl: url,
      ...(key.sessionToken === undefined ? withoutSession : files),
      ...options,
    },
    {
      clock,
      credentials: { '/id': key.accessKeyId, '/secret': key.secretAccessKey, [sessionTokenFile]: key.sessionToken },
    },
  );
}

function effectOf({ effect }: CdnClient) {
  return typeof effect === 'function' ? effect : assert.fail('cannot tell');
}

const urls = (count: number) => Array.from({ length: count }, (_, index) => `https://www.example.com/${index}`);
const tags = (count: number) => Array.from({ length: count }, (_, index) => `tag-${index}`);
const prefixes = (count: number) => Array.from({ length: count }, (_, index) => `www.example.com/${index}/`);

describe('a call to CloudFront', () => {
  for (const { kind, items, paths } of [
    { kind: 'urls', items: ['https://example.com/a\'<b>?c=%5Bd%5D&e="f'], paths: ['/a\'<b>?c=%5Bd%5D&e="f'] },
    { kind: 'tags', items: ['a&b', 'product:17'], paths: ['#a&b', '#product:17'] },
    { kind: 'prefixes', items: ['www.example.com/', 'www.example.com/img/'], paths: ['/*', '/img/*'] },
    { kind: 'everything', items: ['everything'], paths: ['/*'] },
  ] as const) {
    it(`names ${kind} as paths, in a form that AWS describes`, async () => {
      const clock = new ManualClock();
      const api = await start(clock);
      const { failed, receipts } = await purge(open(api, clock), { kind, items, soft: false });
      assert.deepEqual(failed, []);
      assert.deepEqual(api.invalidations[0]?.paths, paths);
      assert.deepEqual(receipts, [api.invalidations[0]?.id]);
      const { method, path, body: requestBody } = api.requests[0] ?? assert.fail();
      assertDescribed({ method, path, requestBody, status: 201, body: viewOf(api) });
    });
  }

  function viewOf({ invalidations: [first] }: CloudFront): string {
    const batch = '<InvalidationBatch><Paths><Quantity>0</Quantity></Paths><CallerReference/></InvalidationBatch>';
    const time = '<CreateTime>2026-11-21T00:00:00Z</CreateTime>';
    return `<Invalidation><Id>${first?.id}</Id><Status>Completed</Status>${time}${batch}</Invalidation>`;
  }

  it('leaves out what CloudFront cannot take', async () => {
    const clock = new ManualClock();
    const api = await start(clock);
    const client = open(api, clock);
    const messagesOf = async (kind: 'urls' | 'tags' | 'prefixes', items: string[]) =>
      (await purge(client, { kind, items, soft: false })).failed.map(({ message }) => message);
    assert.deepEqual(
      await messagesOf('urls', ['https://www.example.com/a*', 'https://other.example/', 'https://www.example.com/b']),
      [
        'CloudFront takes a * in a path for a wildcard',
        'the distribution serves no host other.example (hostNames of the connection)',
      ],
    );
    assert.equal((await messagesOf('prefixes', ['other.example/a/'])).length, 1);
    assert.deepEqual(await messagesOf('tags', ['a*', 'a'.repeat(257)]), [
      'CloudFront takes no * in a tag',
      'CloudFront takes tags of at most 256 characters',
    ]);
    assert.deepEqual(
      api.invalidations.flatMap(({ paths }) => paths),
      ['/b'],
    );
  });

  it('is signed with temporary credentials too', async () => {
    const clock = new ManualClock();
    const key = { accessKeyId: 'ASIA', secretAccessKey: 'cf-secret', sessionToken: 'cf-session-token' };
    const api = await start(clock, { key });
    await purge(open(api, clock), { kind: 'tags', items: ['a'], soft: false });
    assert.equal(api.invalidations.length, 1);
  });

  it('is the same invalidation where its answer was lost', async () => {
    const clock = new ManualClock();
    const api = await start(clock);
    const client = open(api, clock);
    const call = { kind: 'tags', items: ['a', 'b'], soft: false } as const;
    api.failNext({ answer: 'reset', isApplied: true });
    await assert.rejects(purge(client, call), { name: 'HttpError' });
    const { receipts } = await purge(open(api, clock), call);
    assert.deepEqual(receipts, [api.invalidations[0]?.id]);
    assert.equal(api.invalidations.length, 1);
  });

  it('is another invalidation for another execution', async () => {
    const clock = new ManualClock();
    const api = await start(clock);
    const client = open(api, clock);
    const call = { kind: 'tags', items: ['a'], soft: false } as const;
    for (const id of ['one', 'two', 'one']) await client.purge(call, { namespace: 'shop', id });
    await client.purge(call, { namespace: 'other', id: 'one' });
    assert.equal(api.invalidations.length, 3);
  });

  it('is halved where CloudFront finds it too large', async () => {
    const clock = new ManualClock();
    const api = await start(clock);
    const client = open(api, clock);
    api.failNext({ answer: refusal(413, 'BatchTooLarge') });
    assert.deepEqual((await purge(client, { kind: 'urls', items: urls(100), soft: false })).failed, []);
    assert.equal(client.batchSize('urls', urls(100)), 50);
  });

  it('isolates an item that CloudFront refuses', async () => {
    const clock = new ManualClock();
    const api = await start(clock);
    // The stand-in's alphabet lacks it, and ours knows no better.
    const items = [...urls(5), 'https://www.example.com/\u007f', ...urls(9).slice(5)];
    const { failed } = await purge(open(api, clock), { kind: 'urls', items, soft: false });
    assert.deepEqual(
      failed.map(({ index }) => index),
      [5],
    );
    assert.match(failed[0]?.message ?? '', /invalid invalidation paths/);
  });
});

describe("CloudFront's answer", () => {
  for (const [status, code] of [
    [403, 'AccessDenied'],
    [403, 'ExpiredToken'],
    [404, 'NoSuchDistribution'],
  ] as const) {
    it(`${code} means the connection, and says why`, async () => {
      const clock = new ManualClock();
      const api = await start(clock);
      api.failNext({ answer: refusal(status, code) });
      await assert.rejects(purge(open(api, clock), { kind: 'tags', items: ['a'], soft: false }), (error) => {
        assertRejected(error);
        assert.equal((error as Error).message, `CloudFront: No. (${status} ${code})`);
        return true;
      });
    });
  }

  for (const code of ['TooManyInvalidationsInProgress', 'Throttling']) {
    it(`${code} puts off this call and those after it`, async () => {
      const clock = new ManualClock();
      const api = await start(clock);
      const client = open(api, clock);
      const call = { kind: 'tags', items: ['a'], soft: false } as const;
      api.failNext({ answer: refusal(400, code) });
      await assert.rejects(purge(client, call), { name: 'NotSent', notBefore: clock.now() + 5_000 });
      await assert.rejects(purge(client, call), NotSent);
      assert.equal(api.requests.length, 1);
      clock.advance(5_000);
      await purge(client, call);
    });
  }

  it('to a wrong secret is a rejection without the credentials, though AWS quotes what was signed', async () => {
    const clock = new ManualClock();
    const api = await start(clock, {
      key: { accessKeyId: 'ASIA', secretAccessKey: 'right', sessionToken: 's3cret-session' },
    });
    const client = open({ ...api, key: { ...api.key, secretAccessKey: 's3cret-key' } }, clock);
    await assert.rejects(purge(client, { kind: 'tags', items: ['a'], soft: false }), (error) => {
      assertRejected(error);
      assert.match(
        (error as Error).message,
        /does not match the signature you provided\. \(403 SignatureDoesNotMatch\)$/,
      );
      return !JSON.stringify([error, (error as Error).message]).includes('s3cret');
    });
  });

  it('of 201 without an invalidation is open', async () => {
    const server = await listenOnLoopback(
      createServer((_request, response) => void response.writeHead(201).end('<a/>')),
    );
    closedAtEnd(server);
    const clock = new ManualClock();
    const client = open(await start(clock), clock, { baseUrl: server.url });
    const failure = await purge(client, { kind: 'tags', items: ['a'], soft: false }).catch((error: unknown) => error);
    assertOpen(failure);
  });
});

describe('an invalidation has taken effect', () => {
  it('when CloudFront says that all of them are completed, asked each three seconds', async () => {
    const clock = new ManualClock();
    const api = await start(clock, { completesAfterMs: 6_000 });
    const client = open(api, clock);
    const receipts: string[] = [];
    for (const item of ['a', 'b']) {
      receipts.push(...((await purge(client, { kind: 'tags', items: [item], soft: false })).receipts as string[]));
      clock.advance(2_000);
    }
    const effect = effectOf(client);
    assert.deepEqual(await effect(receipts), { askAgainAt: clock.now() + 3_000 });
    clock.advance(3_000);
    assert.deepEqual(await effect(receipts), { askAgainAt: clock.now() + 3_000 });
    clock.advance(3_000);
    assert.deepEqual(await effect(receipts), { effective: true });
    const looks = api.requests.filter(({ method }) => method === 'GET');
    // The first was completed at the second look, and is not asked for again.
    assert.equal(looks.length, 5);
  });

  it('also where there are more of them than one look asks for', async () => {
    const clock = new HurriedClock();
    const api = await start(clock);
    const client = open(api, clock);
    const receipts: string[] = [];
    for (const item of tags(20)) {
      receipts.push(...((await purge(client, { kind: 'tags', items: [item], soft: false })).receipts as string[]));
    }
    assert.ok('askAgainAt' in (await effectOf(client)(receipts)));
    assert.deepEqual(await effectOf(client)(receipts), { effective: true });
  });

  it('and nobody can tell where the key may not ask, which is said', async () => {
    const clock = new ManualClock();
    const api = await start(clock);
    const client = open(api, clock);
    const { receipts } = await purge(client, { kind: 'tags', items: ['a'], soft: false });
    api.failNext({ answer: refusal(403, 'AccessDenied') });
    await assert.rejects(effectOf(client)(receipts), (error) => {
      assert.ok(error instanceof Rejected);
      assert.match(error.message, /^invalidation I\d+ was accepted, but then: No\. \(403 AccessDenied\)$/);
      return true;
    });
  });
});

describe('the limits of CloudFront are kept', () => {
  for (const { kind, all, seconds } of [
    { kind: 'urls', all: urls(10_000), seconds: 66.7 },
    { kind: 'tags', all: tags(10_000), seconds: 66.7 },
    { kind: 'prefixes', all: prefixes(1_000), seconds: 1_000 },
  ] as const) {
    it(`with ${all.length} ${kind}, which take hardly longer than ${seconds} s`, async () => {
      const clock = new HurriedClock();
      const startedAt = clock.now();
      const api = await start(clock, { completesAfterMs: 10_000 });
      const client = open(api, clock);
      const size = client.batchSize(kind, all);
      for (let start = 0; start < all.length; start += size) {
        await sent(clock, () => purge(client, { kind, items: all.slice(start, start + size), soft: false }));
      }
      assert.equal(api.invalidations.length, Math.ceil(all.length / size));
      // A last call that is smaller than those before may come while too many paths are still in progress.
      assert.ok(api.requests.length <= api.invalidations.length + 1, `${api.requests.length} calls`);
      assert.ok((clock.now() - startedAt) / 1_000 <= 1.05 * seconds, `${clock.now() - startedAt} ms`);
      const estimate = client.estimate([{ kind, items: all }], false);
      assert.ok(estimate.seconds <= seconds);
      assert.equal(estimate.costUsd, all.length * 0.005);
    });
  }
});

function refusal(status: number, code: string) {
  const body = `<ErrorResponse><Error><Code>${code}</Code><Message>No.</Message></Error></ErrorResponse>`;
  return { status, body };
}
