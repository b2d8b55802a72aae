import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HttpError } from '../../../src/core/connection.ts';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import type { Json } from '../../../src/core/json.ts';
import type { CdnClient } from '../../../src/providers/cdn/cdn-client.ts';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import {
  CallTooLarge,
  type CdnProvider,
  defineCdnProvider,
  ItemsRefused,
  type PurgeCall,
  type PurgeKind,
  type SendAnswer,
} from '../../../src/providers/cdn/provider.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { providerTools } from '../provider-tools.ts';

type Respond = (call: PurgeCall) => SendAnswer;

/** A provider that answers as told. Per call: 8 tags, 4 urls or 20 bytes of prefixes; 10 calls at once, then 1 each 2 s. */
function scripted(respond: Respond, options: { readonly [key: string]: Json } = {}) {
  const calls: PurgeCall[] = [];
  const clock = new ManualClock();
  const provider: CdnProvider = defineCdnProvider({
    type: 'scripted',
    options: {},
    kinds: {
      tags: { soft: true, rates: ['calls'] },
      urls: { soft: false, rates: ['calls', 'urls'], usdPerItem: 0.5 },
      prefixes: { soft: false, rates: [] },
    },
    rates: { calls: { counts: 'calls' }, urls: { counts: 'items' } },
    limits: () => ({
      maxItems: { tags: 8, urls: 4, prefixes: 100 },
      maxBytes: { prefixes: 20 },
      rates: { calls: { capacity: 10, perSecond: 0.5 }, urls: { capacity: 8, perSecond: 4 } },
      concurrency: 2,
    }),
    itemBytes: (_kind, item) => item.length,
    open: () => ({
      effect: 'unknown',
      describe: (kind, soft) => [{ method: soft ? 'SOFT' : 'HARD', url: `https://cdn.invalid/${kind}` }],
      refusal: (_kind, item) => (item.includes('unfit') ? 'does not fit' : undefined),
      async send(call) {
        calls.push(call);
        return respond(call);
      },
    }),
  });
  const fetch = () => Promise.reject(new Error('nothing is sent here'));
  const client: CdnClient = cdnConnectionType(provider).open(options, providerTools({ fetch, clock }));
  return { client, calls, clock, sizes: () => calls.map(({ items }) => items.length) };
}

const tags = (count: number): string[] => Array.from({ length: count }, (_, index) => `t${index}`);
const accept: Respond = () => ({});

/** Refuses whole calls that hold one of these. */
const refusing =
  (...bad: string[]): Respond =>
  ({ items }) => {
    if (items.some((item) => bad.includes(item))) throw new ItemsRefused('something in there is wrong');
    return {};
  };

const execution = { namespace: 'default', id: 'purge' };

async function refusalsOf(client: CdnClient, kind: PurgeKind, items: readonly string[]) {
  return (await client.purge({ kind, items, soft: false }, execution)).failed;
}

/** Repeats what is not sent because of a rate limit, at the time that it names. */
async function untilDone<T>(clock: ManualClock, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof NotSent) || error.notBefore === undefined) throw error;
      clock.advance(error.notBefore - clock.now());
    }
  }
}

describe('calls', () => {
  it('are as large as the limit on items allows', async () => {
    const { client, sizes } = scripted(accept);
    assert.equal(client.batchSize('tags', tags(20)), 8);
    assert.deepEqual(await refusalsOf(client, 'tags', tags(20)), []);
    assert.deepEqual(sizes(), [8, 8, 4]);
  });

  it('are as large as the limit on bytes allows', async () => {
    const { client, sizes } = scripted(accept);
    const items = ['a'.repeat(10), 'b'.repeat(10), 'c'.repeat(6), 'd'.repeat(6), 'e'.repeat(6)];
    assert.equal(client.batchSize('prefixes', items), 2);
    await refusalsOf(client, 'prefixes', items);
    assert.deepEqual(sizes(), [2, 3]);
  });

  it("follow the connection's own limits", async () => {
    const { client } = scripted(accept, { limits: { maxItems: { tags: 3 }, maxBytes: { tags: 4 }, concurrency: 7 } });
    assert.equal(client.batchSize('tags', tags(20)), 1);
    assert.equal(client.batchSize('tags', tags(10)), 2);
    assert.equal(client.batchSize('urls', tags(20)), 4);
    assert.equal(client.concurrency, 7);
  });

  it('are halved when the provider finds them too large, and stay so', async () => {
    const { client, sizes } = scripted(({ items }) => {
      if (items.length > 2) throw new CallTooLarge('at most 2');
      return {};
    });
    assert.deepEqual(await refusalsOf(client, 'tags', tags(8)), []);
    assert.deepEqual(sizes(), [8, 4, 2, 2, 4, 2, 2]);
    assert.equal(client.batchSize('tags', tags(20)), 2);
    await refusalsOf(client, 'tags', tags(5));
    assert.deepEqual(sizes().slice(7), [2, 2, 1]);
    assert.equal(client.batchSize('urls', tags(20)), 4, 'another kind keeps its size');
  });

  it('of one item that is too large refuse that item', async () => {
    const { client } = scripted(({ items }) => {
      if (items.includes('t1')) throw new CallTooLarge('too long');
      return {};
    });
    const failed = await refusalsOf(client, 'tags', tags(3));
    assert.deepEqual(failed, [{ index: 1, message: 'too long' }]);
  });

  it('give their receipts back', async () => {
    const { client, calls } = scripted(() => ({ receipt: `job-${calls.length}` }));
    assert.deepEqual((await client.purge({ kind: 'tags', items: tags(9), soft: false }, execution)).receipts, [
      'job-1',
      'job-2',
    ]);
  });
});

describe('a refused item', () => {
  it('is found by bisecting, and all others are purged', async () => {
    const { client, calls } = scripted(refusing('t2', 't6'), {
      limits: { rates: { calls: { capacity: 100, perSecond: 1 } } },
    });
    const failed = await refusalsOf(client, 'tags', tags(8));
    assert.deepEqual(
      failed.map(({ index }) => index),
      [2, 6],
    );
    assert.equal(failed[0]?.message, 'something in there is wrong');
    const accepted = calls.flatMap(({ items }) => (items.some((item) => item === 't2' || item === 't6') ? [] : items));
    assert.deepEqual(accepted.toSorted(), ['t0', 't1', 't3', 't4', 't5', 't7']);
  });

  it('that the provider names is told with its place in the whole', async () => {
    const { client } = scripted(({ items }) => ({
      failed: items.flatMap((item, index) => (item === 't9' ? [{ index, message: 'no' }] : [])),
    }));
    assert.deepEqual(await refusalsOf(client, 'tags', tags(12)), [{ index: 9, message: 'no' }]);
  });

  it('that cannot fit the provider is not sent', async () => {
    const { client, calls } = scripted(accept);
    const failed = await refusalsOf(client, 'tags', ['a', 'unfit', 'b']);
    assert.deepEqual(failed, [{ index: 1, message: 'does not fit' }]);
    assert.deepEqual(
      calls.flatMap(({ items }) => items),
      ['a', 'b'],
    );
  });

  it('has a short message', async () => {
    const { client } = scripted(() => {
      throw new ItemsRefused('x'.repeat(5_000));
    });
    const failed = await refusalsOf(client, 'tags', tags(1));
    assert.equal(failed[0]?.message.length, 200);
  });

  it('is found in the end though the rate lets only one call through at a time, and no item is sent anew', async () => {
    const { client, calls, clock } = scripted(refusing('t0', 't7'), {
      limits: { rates: { calls: { capacity: 1, perSecond: 0.1 } } },
    });
    const failed = await untilDone(clock, () => refusalsOf(client, 'tags', tags(8)));
    assert.deepEqual(failed.map(({ index }) => index).toSorted(), [0, 7]);
    assert.deepEqual(
      calls.map(({ items }) => items.join(' ')),
      [
        't0 t1 t2 t3 t4 t5 t6 t7',
        't0 t1 t2 t3',
        't0 t1',
        't0',
        't1',
        't2 t3',
        't4 t5 t6 t7',
        't4 t5',
        't6 t7',
        't6',
        't7',
      ],
    );
  });

  it('is not looked for when it is not the items that are wrong', async () => {
    const { client, calls } = scripted(
      () => {
        throw new ItemsRefused('your plan has no tags');
      },
      { limits: { maxItems: { tags: 100 }, rates: { calls: { capacity: 100, perSecond: 1 } } } },
    );
    await assert.rejects(refusalsOf(client, 'tags', tags(100)), {
      name: 'Rejected',
      reason: 'EffectFailed',
      message: 'your plan has no tags (said of 8 tags one by one; the rest was not sent)',
    });
    assert.ok(calls.length < 25, `${calls.length} calls`);
  });

  it('is told of each item where the words differ, though all are refused', async () => {
    const { client } = scripted(
      ({ items }) => {
        throw new ItemsRefused(`${items[0]} is wrong`);
      },
      { limits: { maxItems: { tags: 100 }, rates: { calls: { capacity: 100, perSecond: 1 } } } },
    );
    assert.equal((await refusalsOf(client, 'tags', tags(20))).length, 20);
  });

  it('is tried again by another execution, as is all that was purged for the first', async () => {
    const { client, calls, clock } = scripted(refusing('t0'), {
      limits: { rates: { calls: { capacity: 2, perSecond: 0.1 } } },
    });
    await assert.rejects(refusalsOf(client, 'tags', tags(2)), NotSent);
    calls.length = 0;
    clock.advance(60_000);
    await assert.rejects(
      client.purge({ kind: 'tags', items: tags(2), soft: false }, { namespace: 'default', id: 'other' }),
    );
    assert.deepEqual(calls[0]?.items, ['t0', 't1']);
  });
});

describe('the rate', () => {
  it('lets a full bucket through at once', async () => {
    const { client, sizes } = scripted(accept);
    for (let call = 0; call < 10; call += 1) await refusalsOf(client, 'tags', ['a']);
    assert.equal(sizes().length, 10);
  });

  it('puts off what would have to wait longer than a second, and says until when', async () => {
    const { client, calls, clock } = scripted(accept);
    for (let call = 0; call < 10; call += 1) await refusalsOf(client, 'tags', ['a']);
    const expected = { name: 'NotSent', notBefore: clock.now() + 2_000 };
    await assert.rejects(refusalsOf(client, 'tags', ['a']), expected);
    await assert.rejects(refusalsOf(client, 'tags', ['a']), expected);
    assert.equal(calls.length, 10);
    clock.advance(2_000);
    await refusalsOf(client, 'tags', ['a']);
    assert.equal(calls.length, 11);
  });

  it('waits for less than a second, one behind the other, and counts items where the provider does', async () => {
    const { client, calls, clock } = scripted(accept);
    const purge = (items: string[]) => refusalsOf(client, 'urls', items);
    await purge(tags(4));
    await purge(tags(4));
    const waiting = [purge(['a', 'b']), purge(['c'])];
    await assert.rejects(purge(tags(4)), NotSent);
    assert.equal(calls.length, 2);
    clock.advance(500);
    await waiting[0];
    assert.equal(calls.length, 3);
    clock.advance(250);
    await waiting[1];
    assert.deepEqual(calls[3]?.items, ['c']);
  });

  it('heeds what the provider says over its own count', async () => {
    let limited = true;
    const { client, calls, clock } = scripted(() => {
      if (limited) throw new NotSent('429', { notBefore: clock.now() + 30_000 });
      return {};
    });
    const purge = () => refusalsOf(client, 'tags', ['a']);
    await assert.rejects(purge(), { notBefore: clock.now() + 30_000 });
    limited = false;
    clock.advance(10_000);
    await assert.rejects(purge(), { notBefore: clock.now() + 20_000 });
    assert.equal(calls.length, 1);
    clock.advance(20_000);
    await purge();
    assert.equal(calls.length, 2);
  });
});

describe('a failure', () => {
  function failing(error: Error) {
    const { client } = scripted(() => {
      throw error;
    });
    return refusalsOf(client, 'tags', tags(3));
  }

  it('without any byte sent is NotSent', async () => {
    const error = new HttpError('refused', { sent: false, code: 'ECONNREFUSED' });
    await assert.rejects(failing(error), { name: 'NotSent', message: 'refused', cause: error });
  });

  for (const code of ['INVALID_REQUEST', 'FORBIDDEN_ADDRESS']) {
    it(`that no later try can mend is Rejected: ${code}`, async () => {
      const error = new HttpError('cannot be', { sent: false, code });
      await assert.rejects(failing(error), { name: 'Rejected', reason: 'ConnectionFailed', message: 'cannot be' });
    });
  }

  it('with an open fate stays as it is, and so does a rejection', async () => {
    for (const error of [
      new HttpError('reset', { sent: true, code: 'ECONNRESET' }),
      new Rejected('ConnectionFailed', 'no such zone'),
      new Error('HTML'),
    ]) {
      await assert.rejects(failing(error), (thrown) => thrown === error);
    }
  });
});

it('an estimate counts calls, the time that full buckets force, and the cost', () => {
  const { client } = scripted(accept);
  const work = [
    { kind: 'tags', items: tags(160) },
    { kind: 'urls', items: tags(40) },
  ] as const;
  assert.deepEqual(client.estimate(work, true), {
    calls: [
      { kind: 'tags', method: 'SOFT', url: 'https://cdn.invalid/tags', count: 20 },
      { kind: 'urls', method: 'SOFT', url: 'https://cdn.invalid/urls', count: 10 },
    ],
    // 30 calls less the 10 in the bucket at one each 2 s; the 40 items would need 8 s.
    seconds: 40,
    costUsd: 20,
  });
  assert.deepEqual(client.estimate([{ kind: 'prefixes', items: ['a'] }], false), {
    calls: [{ kind: 'prefixes', method: 'HARD', url: 'https://cdn.invalid/prefixes', count: 1 }],
    seconds: 0,
    costUsd: undefined,
  });
});
