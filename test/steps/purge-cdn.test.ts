import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Static } from '@sinclair/typebox';
import { NotSent, Rejected } from '../../src/core/effect.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { jsonBytes } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import { fits, mistakesOf } from '../../src/core/schema.ts';
import type { Outcome } from '../../src/core/step.ts';
import type { CdnClient } from '../../src/providers/cdn/cdn-client.ts';
import { cdnConnectionType } from '../../src/providers/cdn/connection-type.ts';
import {
  defineCdnProvider,
  type EffectKnowledge,
  ItemsRefused,
  type PurgeCall,
  type SendAnswer,
} from '../../src/providers/cdn/provider.ts';
import { purgeCdn } from '../../src/steps/purge-cdn.ts';
import { providerTools } from '../providers/provider-tools.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { FakeExecution } from './fake-context.ts';

type Params = Static<typeof purgeCdn.params>;

interface Scene {
  readonly send?: (call: PurgeCall) => SendAnswer;
  readonly effect?: EffectKnowledge;
}

/** A step on a provider that takes two urls or three tags a call; urls softly too. */
function stage(given: JsonObject, { send = () => ({}), effect = 'at-once' }: Scene = {}) {
  const clock = new ManualClock();
  const calls: PurgeCall[] = [];
  const provider = defineCdnProvider({
    type: 'stage',
    options: {},
    kinds: { urls: { soft: true, rates: ['calls'], usdPerItem: 0.01 }, tags: { soft: false, rates: ['calls'] } },
    rates: { calls: { counts: 'calls' } },
    limits: () => ({
      maxItems: { urls: 2, tags: 3 },
      rates: { calls: { capacity: 1_000, perSecond: 1 } },
      concurrency: 2,
    }),
    open: () => ({
      effect,
      describe: (kind) => [{ method: 'POST', url: `https://cdn.invalid/${kind}` }],
      async send(call) {
        calls.push(call);
        return send(call);
      },
    }),
  });
  const fetch = () => Promise.reject(new Error('nothing is sent here'));
  const client: CdnClient = cdnConnectionType(provider).open({}, providerTools({ fetch, clock }));
  const execution = new FakeExecution({ step: purgeCdn, with: given, clock, client });
  return { execution, calls, clock, client };
}

const url = (path: string): string => `https://www.example.com/${path}`;
const tags = (count: number): string[] => Array.from({ length: count }, (_, index) => `t${index}`);

describe('purge-cdn takes', () => {
  it('a parameter of each kind, and answers every declared output', async () => {
    const { execution } = stage({ connection: 'edge', urls: [url('a'), url('b')], tags: ['x'] });
    const outcome = await execution.finish();
    assert.equal(outcome.kind, 'succeeded');
    assert.deepEqual(outcome.outputs, {
      purged: { urls: 2, tags: 1, prefixes: 0, hosts: 0, everything: 0 },
      failed: [],
      failedCount: 0,
      provider: 'stage',
      connection: 'edge',
    });
    assert.ok(fits(purgeCdn.outputs, outcome.outputs));
  });

  for (const { name, given, path } of [
    { name: 'an unknown key', given: { urls: [url('a')], purge: true }, path: '/purge' },
    { name: 'over 10,000 items', given: { tags: tags(10_001) }, path: '/tags' },
    { name: 'an item over 2,048 characters', given: { tags: ['x'.repeat(2_049)] }, path: '/tags/0' },
    { name: 'another waitFor', given: { tags: ['x'], waitFor: 'done' }, path: '/waitFor' },
  ]) {
    it(`no ${name}`, () => assert.equal(mistakesOf(purgeCdn.params, given)[0]?.path, path));
  }

  for (const { name, given, mistakes } of [
    { name: 'something of one kind at least', given: { tags: [] }, mistakes: [''] },
    { name: 'everything alone', given: { everything: true, tags: ['x'] }, mistakes: ['/everything'] },
    {
      name: 'well-formed items',
      given: { urls: [url('a'), 'b'], tags: ['a b'], hosts: ['a/b'] },
      mistakes: ['/urls/1', '/tags/0', '/hosts/0'],
    },
    { name: 'everything: false as nothing', given: { everything: false }, mistakes: [''] },
    { name: 'what is right', given: { everything: true }, mistakes: [] },
  ] satisfies { name: string; given: Params; mistakes: string[] }[]) {
    it(name, () =>
      assert.deepEqual(
        purgeCdn.check?.(given).map(({ path }) => path),
        mistakes,
      ),
    );
  }

  it('at most 20 mistakes to tell', () => {
    assert.equal(purgeCdn.check?.({ urls: Array.from({ length: 100 }, () => 'no') }).length, 20);
  });
});

describe('purge-cdn claims', () => {
  it('the kinds, and the hosts where they are known', () => {
    const params = {
      connection: 'edge',
      urls: [url('a'), url('b'), 'https://other.example.com/'],
      prefixes: ['img.example.com/a/'],
      tags: ['x'],
    };
    assert.deepEqual(purgeCdn.uses?.(params), [
      {
        family: 'cdn',
        name: 'edge',
        claims: {
          kinds: ['urls', 'tags', 'prefixes'],
          hosts: ['www.example.com', 'other.example.com', 'img.example.com'],
        },
      },
    ]);
  });

  it('no host for everything', () => {
    assert.deepEqual(purgeCdn.uses?.({ everything: true }), [
      { family: 'cdn', claims: { kinds: ['everything'], hosts: [] } },
    ]);
  });
});

describe('purge-cdn sends', () => {
  it('each item once, normalised, in the largest calls', async () => {
    const { execution, calls } = stage({
      urls: [url('a'), 'https://WWW.example.com:443/a#x', url('b c'), url('d')],
      tags: tags(4),
    });
    await execution.finish();
    assert.deepEqual(
      calls.map(({ kind, items }) => [kind, ...items]),
      [
        ['urls', url('a'), url('b%20c')],
        ['urls', url('d')],
        ['tags', 't0', 't1', 't2'],
        ['tags', 't3'],
      ],
    );
  });

  it('softly where asked to', async () => {
    const { execution, calls } = stage({ urls: [url('a')], soft: true });
    await execution.finish();
    assert.deepEqual(
      calls.map(({ soft }) => soft),
      [true],
    );
  });

  it('nothing where the provider lacks a kind, and names what it can purge', async () => {
    const { execution, calls } = stage({
      urls: [url('a')],
      prefixes: ['www.example.com/a/'],
      hosts: ['www.example.com'],
    });
    assert.deepEqual(await execution.finish(), {
      kind: 'failed',
      reason: 'Rejected',
      message: 'stage cannot purge prefixes, hosts; it can purge urls (also soft), tags',
    });
    assert.deepEqual(calls, []);
  });

  it('nothing hard where soft was asked for and is lacking', async () => {
    const { execution, calls } = stage({ tags: ['x'], soft: true });
    const outcome = await execution.finish();
    assert.match(outcome.message ?? '', /stage cannot softly purge tags; it can purge urls \(also soft\), tags/);
    assert.deepEqual(calls, []);
  });

  it('the rest after a rate limit, and not what was purged', async () => {
    let limited = true;
    const scene = stage(
      { urls: ['a', 'b', 'c', 'd'].map(url) },
      {
        send: ({ items }) => {
          if (limited && items.includes(url('c'))) throw new NotSent('429', { notBefore: scene.clock.now() + 5_000 });
          return {};
        },
      },
    );
    const outcome = await scene.execution.finish(() => {
      limited = false;
    });
    assert.equal(outcome.kind, 'succeeded');
    assert.deepEqual(
      scene.calls.map(({ items }) => items[0]),
      [url('a'), url('c'), url('c')],
    );
  });
});

describe('purge-cdn reports', () => {
  const refuse =
    (...bad: string[]) =>
    ({ items }: PurgeCall): SendAnswer => {
      if (items.some((item) => bad.includes(item))) throw new ItemsRefused('not of this zone');
      return {};
    };

  it('some refused items as PartlyFailed, with each of them', async () => {
    const { execution } = stage({ urls: [url('a'), url('b')], tags: tags(3) }, { send: refuse('t1') });
    const outcome = await execution.finish();
    assert.deepEqual(
      { ...outcome, outputs: undefined },
      {
        kind: 'failed',
        reason: 'PartlyFailed',
        message: '1 of 5 items were refused, such as t1: not of this zone',
        outputs: undefined,
      },
    );
    assert.deepEqual(outcome.outputs?.purged, { urls: 2, tags: 2, prefixes: 0, hosts: 0, everything: 0 });
    assert.deepEqual(outcome.outputs?.failed, [{ kind: 'tags', item: 't1', message: 'not of this zone' }]);
    assert.equal(outcome.outputs?.failedCount, 1);
  });

  it('all items refused as EffectFailed', async () => {
    const { execution } = stage({ tags: tags(2) }, { send: refuse('t0', 't1') });
    const outcome = await execution.finish();
    assert.ok(outcome.kind === 'failed');
    assert.equal(outcome.reason, 'EffectFailed');
    assert.match(outcome.message, /^all 2 items were refused/);
  });

  it('at most 100 refused items, and no more of them than outputs can hold', async () => {
    const long = (index: number) => url(`${index}/${'x'.repeat(1_900)}`);
    const given = { urls: Array.from({ length: 150 }, (_, index) => long(index)), tags: tags(1) };
    const { execution } = stage(given, { send: refuse(...given.urls) });
    const outcome = await execution.finish();
    assert.equal(outcome.outputs?.failedCount, 150);
    assert.ok(listed(outcome) >= 10);
    assert.ok(jsonBytes(outcome.outputs ?? {}) < limits.outputsBytes);

    const short = stage({ tags: tags(150), urls: [url('a')] }, { send: refuse(...tags(150)) });
    const second = await short.execution.finish();
    assert.equal(second.outputs?.failedCount, 150);
    assert.equal(listed(second), 100);
  });

  it('what was purged before a rejection', async () => {
    const { execution } = stage(
      { urls: [url('a'), url('b')], tags: ['x'] },
      {
        send: ({ kind }) => {
          if (kind === 'tags') throw new Rejected('ConnectionFailed', 'no permission for tags');
          return {};
        },
      },
    );
    const outcome = await execution.finish();
    assert.ok(outcome.kind === 'failed');
    assert.deepEqual([outcome.reason, outcome.message], ['ConnectionFailed', 'no permission for tags']);
    assert.deepEqual(outcome.outputs?.purged, { urls: 2, tags: 0, prefixes: 0, hosts: 0, everything: 0 });
  });
});

function listed({ outputs }: Outcome): number {
  const failed = outputs?.failed;
  return Array.isArray(failed) ? failed.length : 0;
}

describe('purge-cdn waits', () => {
  /** Takes effect at the third question. */
  function slowEffect() {
    const questions: (readonly Json[])[] = [];
    const scene: { clock?: ManualClock } = {};
    const effect: EffectKnowledge = async (receipts) => {
      questions.push(receipts);
      return questions.length < 3 ? { askAgainAt: (scene.clock?.now() ?? 0) + 2_000 } : { effective: true };
    };
    return { questions, effect, scene };
  }
  const withReceipts = ({ items }: PurgeCall): SendAnswer => ({ receipt: `job of ${items[0]}` });

  it('until the provider says that all calls have taken effect', async () => {
    const { questions, effect, scene } = slowEffect();
    const { execution, clock, calls } = stage({ tags: tags(4), urls: [url('a')] }, { send: withReceipts, effect });
    scene.clock = clock;
    const startedAt = clock.now();
    const outcome = await execution.finish();
    assert.equal(outcome.kind, 'succeeded');
    assert.deepEqual(questions, Array(3).fill([`job of ${url('a')}`, 'job of t0', 'job of t3']));
    assert.equal(clock.now() - startedAt, 4_000);
    assert.deepEqual(execution.messages, ['waiting until the purge takes effect at stage']);
    assert.equal(calls.length, 3, 'nothing is purged twice');
  });

  it('not at all where accepted is enough', async () => {
    const { questions, effect } = slowEffect();
    const { execution } = stage({ tags: ['x'], waitFor: 'accepted' }, { send: withReceipts, effect });
    assert.equal((await execution.finish()).kind, 'succeeded');
    assert.equal(questions.length, 0);
  });

  it('not in vain: a provider that cannot tell is refused before anything is sent, when asked for', async () => {
    const { execution, calls } = stage({ tags: ['x'], waitFor: 'effective' }, { effect: 'unknown' });
    assert.match((await execution.finish()).message ?? '', /stage cannot tell when a purge has taken effect/);
    assert.equal(calls.length, 0);
    assert.equal((await stage({ tags: ['x'] }, { effect: 'unknown' }).execution.finish()).kind, 'succeeded');
  });
});

describe('purge-cdn stops', () => {
  it('without sending anything more, and tells what was purged', async () => {
    const { execution, calls, clock } = stage(
      { urls: ['a', 'b', 'c', 'd'].map(url) },
      {
        send: ({ items }) => {
          if (items.includes(url('c'))) throw new NotSent('limited', { notBefore: clock.now() + 60_000 });
          return {};
        },
      },
    );
    await execution.advance();
    const sent = calls.length;
    execution.stop({ reason: 'Cancelled', at: clock.now(), message: 'Ann asked for it' });
    const outcome = await execution.advance();
    assert.ok(outcome.kind === 'failed');
    assert.deepEqual([outcome.reason, outcome.message], ['Cancelled', 'Ann asked for it']);
    assert.deepEqual(outcome.outputs?.purged, { urls: 2, tags: 0, prefixes: 0, hosts: 0, everything: 0 });
    assert.equal(calls.length, sent);
  });

  it('with success where all was purged before', async () => {
    const { execution, clock } = stage({ tags: tags(2) });
    await execution.advance();
    execution.stop({ reason: 'TimedOut', at: clock.now() + 1, message: 'too late' });
    assert.equal((await execution.advance()).kind, 'succeeded');
  });
});

describe('the plan of purge-cdn', () => {
  it('tells calls, seconds and cost, and sends nothing', async () => {
    const { execution, calls } = stage({});
    const plan = await purgeCdn.plan?.(execution.context(), {
      urls: Array.from({ length: 2_201 }, (_, index) => url(String(index))),
      tags: ['x', 'x'],
    });
    assert.deepEqual(plan, {
      calls: [
        { description: 'purge urls', method: 'POST', url: 'https://cdn.invalid/urls', count: 1_101 },
        { description: 'purge tags', method: 'POST', url: 'https://cdn.invalid/tags', count: 1 },
      ],
      seconds: 102,
      costUsd: 22.01,
      notes: ['doubled items, each sent once: 1', 'takes effect at once'],
    });
    assert.deepEqual(calls, []);
  });

  it('is refused where the provider lacks a kind', async () => {
    const { execution } = stage({});
    await assert.rejects(async () => purgeCdn.plan?.(execution.context(), { hosts: ['www.example.com'] }), Rejected);
  });
});
