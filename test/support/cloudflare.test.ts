import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { type Cloudflare, type CloudflareOptions, startCloudflare } from './cloudflare.ts';
import { exchange } from './exchange.ts';
import { type Origin, startOrigin } from './origin.ts';

let nowMs = 0;
const opened: { close(): Promise<void> }[] = [];
beforeEach(() => {
  nowMs = 1_000_000;
});
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function open(options: CloudflareOptions = {}): Promise<Cloudflare> {
  const cloudflare = await startCloudflare({ nowMs: () => nowMs, ...options });
  opened.push(cloudflare);
  return cloudflare;
}

interface CallOptions {
  readonly zone?: string;
  readonly action?: string;
  readonly token?: string;
  readonly method?: string;
}

async function call(cloudflare: Cloudflare, body: unknown, options: CallOptions = {}) {
  const { zone = cloudflare.zones[0].id, action = '/purge_cache', token = cloudflare.token, method = 'POST' } = options;
  const answer = await exchange(`${cloudflare.apiUrl}/zones/${zone}${action}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { ...answer, json: () => JSON.parse(answer.text) };
}

const pages = (count: number) => Array.from({ length: count }, (_, index) => `https://www.example.com/${index}`);
const words = (count: number) => Array.from({ length: count }, (_, index) => `tag-${index}`);

test('an accepted purge is answered with an id and recorded, each item as often as it was purged', async () => {
  const cloudflare = await open();
  const first = await call(cloudflare, { tags: ['a', 'b'] });
  assert.equal(first.status, 200);
  const { result, ...envelope } = first.json();
  assert.deepEqual(envelope, { success: true, errors: [], messages: [] });
  assert.match(result.id, /^[0-9a-f]{32}$/);

  await call(cloudflare, { tags: ['b'] }, { action: '/invalidate_cache' });
  assert.deepEqual(Object.fromEntries(cloudflare.purged.counts('tags')), { a: 1, b: 2 });
  assert.equal(cloudflare.purged.count('files', 'b'), 0);
  assert.deepEqual(
    cloudflare.purged.purges.map(({ soft }) => soft),
    [false, true],
  );
});

test('files, with and without headers, and hosts are recorded in the documented form', async () => {
  const cloudflare = await open();
  const url = 'https://example.com/A';
  await call(cloudflare, {
    files: [url, { url }, { url, headers: { 'CF-IPCountry': 'DE', 'CF-Device-Type': 'mobile' } }],
  });
  await call(cloudflare, { hosts: ['WWW.example.com'] });
  await call(cloudflare, { prefixes: ['www.example.com/Img'] });
  await call(cloudflare, { purge_everything: true });
  assert.deepEqual(
    cloudflare.purged.purges.flatMap(({ kind, items }) => items.map((item) => [kind, item])),
    [
      ['files', url],
      ['files', url],
      ['files', `${url} {"CF-Device-Type":"mobile","CF-IPCountry":"DE"}`],
      ['hosts', 'www.example.com'],
      ['prefixes', 'www.example.com/Img'],
      ['purge_everything', '*'],
    ],
  );
});

const slashes = (count: number) => `example.com${'/a'.repeat(count)}`;
const badRequests: readonly [what: string, body: unknown][] = [
  ['no kind', {}],
  ['two kinds', { tags: ['a'], hosts: ['example.com'] }],
  ['a kind that there is not', { urls: pages(1) }],
  ['purge_everything that is not true', { purge_everything: false }],
  ['broken JSON', '{"tags":'],
  ['a list instead of an object', '[]'],
  ['a text instead of a list', { tags: 'a' }],
  ['an empty list', { tags: [] }],
  ['an empty tag', { tags: [''] }],
  ['an item that is no text', { hosts: [1] }],
  ['a wildcard in a file', { files: ['https://example.com/*'] }],
  ['a file without scheme', { files: ['example.com/a'] }],
  ['a file of another zone', { files: ['https://notexample.com/a'] }],
  ['a file with a header that is no part of cache keys', { files: [{ url: pages(1)[0], headers: { Cookie: 'a' } }] }],
  ['a host of another zone', { hosts: ['example.org'] }],
  ['a prefix with a scheme', { prefixes: ['https://example.com/a'] }],
  ['a prefix with a query', { prefixes: ['example.com/a?b'] }],
  ['a prefix with 32 separators', { prefixes: [slashes(32)] }],
  ['101 tags', { tags: words(101) }],
  ['101 URLs on the free plan', { files: pages(101) }],
  ['one bad URL among good ones', { files: [...pages(3), 'https://example.org/'] }],
];
for (const [what, body] of badRequests) {
  test(`refused with 400, nothing purged: ${what}`, async () => {
    const cloudflare = await open();
    const answer = await call(cloudflare, body);
    assert.equal(answer.status, 400);
    const { success, errors, result } = answer.json();
    assert.deepEqual([success, result, errors.length], [false, null, 1]);
    assert.equal(typeof errors[0].code, 'number');
    assert.deepEqual(cloudflare.purged.purges, []);
  });
}

test('a prefix with 31 separators, 100 tags, and 500 URLs on Enterprise are taken', async () => {
  const cloudflare = await open({ zones: [{ name: 'example.com', plan: 'enterprise' }] });
  for (const body of [{ prefixes: [slashes(31)] }, { tags: words(100) }, { files: pages(500) }]) {
    assert.equal((await call(cloudflare, body)).status, 200);
  }
  assert.equal((await call(cloudflare, { files: pages(501) })).status, 400);
});

const refusals: readonly [what: string, options: CallOptions, status: number, code: number][] = [
  ['another token', { token: 'other' }, 403, 10_000],
  ['a zone of somebody else', { zone: 'f'.repeat(32) }, 403, 10_000],
  ["a zone's name instead of its id", { zone: 'example.com' }, 404, 7003],
  ['an action that there is not', { action: '/purge' }, 404, 7003],
  ['another method', { method: 'PUT' }, 405, 10_405],
];
for (const [what, options, status, code] of refusals) {
  test(`refused with ${status}: ${what}`, async () => {
    const cloudflare = await open();
    const answer = await call(cloudflare, { tags: ['a'] }, options);
    assert.deepEqual([answer.status, answer.json().errors[0].code], [status, code]);
    assert.deepEqual(cloudflare.purged.purges, []);
  });
}

test('a zone tells its name, plan and account', async () => {
  const cloudflare = await open({ zones: [{ name: 'example.com', plan: 'business', account: 'acme' }] });
  const { result } = (await call(cloudflare, undefined, { action: '', method: 'GET' })).json();
  const { id, name, plan, account } = result;
  assert.deepEqual(
    [id, name, plan.legacy_id, account.name],
    [cloudflare.zones[0].id, 'example.com', 'business', 'acme'],
  );
});

/** How many calls go through from now on before the first 429, which says when to come back. */
async function callsUntilLimited(cloudflare: Cloudflare, body: unknown, options: CallOptions = {}) {
  for (let accepted = 0; ; accepted += 1) {
    const { status, headers } = await call(cloudflare, body, options);
    if (status === 429) return { accepted, retryAfter: Number(headers['retry-after']) };
    assert.equal(status, 200);
  }
}

const buckets = [
  { plan: 'free', burst: 25, perMinute: 5, urlCalls: 8 },
  { plan: 'pro', burst: 25, perMinute: 300, urlCalls: 15 },
  { plan: 'business', burst: 50, perMinute: 600, urlCalls: 15 },
  { plan: 'enterprise', burst: 500, perMinute: 3_000, urlCalls: 30 },
] as const;
for (const { plan, burst, perMinute, urlCalls } of buckets) {
  test(`${plan}: ${burst} calls at once, then ${perMinute} a minute, whichever of the four kinds they are of`, async () => {
    const cloudflare = await open({ zones: [{ name: 'example.com', plan }] });
    assert.deepEqual(await callsUntilLimited(cloudflare, { tags: ['a'] }), {
      accepted: burst,
      retryAfter: Math.max(1, 60 / perMinute),
    });
    nowMs += (3 * 60_000) / perMinute;
    for (const body of [{ hosts: ['example.com'] }, { prefixes: ['example.com/a'] }, { purge_everything: true }]) {
      assert.equal((await call(cloudflare, body)).status, 200);
    }
    assert.equal((await call(cloudflare, { hosts: ['example.com'] })).status, 429);
  });

  test(`${plan}: ${urlCalls}00 URLs a second, apart from the other calls`, async () => {
    const cloudflare = await open({ zones: [{ name: 'example.com', plan }] });
    assert.equal((await callsUntilLimited(cloudflare, { files: pages(100) })).accepted, urlCalls);
    assert.equal((await call(cloudflare, { tags: ['a'] })).status, 200);
    nowMs += 1_000 / urlCalls;
    assert.equal((await callsUntilLimited(cloudflare, { files: pages(100) })).accepted, 1);
  });
}

test('zones of one account share a limit, zones of others do not', async () => {
  const zones = [{ name: 'example.com' }, { name: 'example.org' }, { name: 'example.net', account: 'other' }] as const;
  const cloudflare = await open({ zones });
  const [, org, net] = cloudflare.zones;
  await callsUntilLimited(cloudflare, { tags: ['a'] });
  assert.equal((await call(cloudflare, { tags: ['a'] }, { zone: org?.id ?? '' })).status, 429);
  assert.equal((await call(cloudflare, { tags: ['a'] }, { zone: net?.id ?? '' })).status, 200);
});

test('the 1,201st request within five minutes is refused, and all of the next five', async () => {
  const cloudflare = await open();
  const read = async () => (await call(cloudflare, undefined, { action: '', method: 'GET' })).status;
  for (let count = 0; count < 1_200; count += 1) assert.equal(await read(), 200);
  assert.equal(await read(), 429);
  nowMs += 299_999;
  assert.equal(await read(), 429);
  nowMs += 1;
  assert.equal(await read(), 200);
});

const spoilt = [
  ['html-200', 200, /^<!doctype html>/],
  ['broken-json-200', 200, /^\{"success":true[^}]*$/],
  ['failure-200', 200, /^\{"success":false/],
  ['500', 500, /^\{"success":false/],
] as const;
for (const [kind, status, text] of spoilt) {
  for (const applied of [false, true]) {
    test(`a purge that is told to end in ${kind} does so, ${applied ? 'and takes effect' : 'without effect'}`, async () => {
      const cloudflare = await open();
      cloudflare.failNext({ kind, applied });
      const answer = await call(cloudflare, { tags: ['a'] });
      assert.equal(answer.status, status);
      assert.match(answer.text, text);
      assert.equal(cloudflare.purged.count('tags', 'a'), applied ? 1 : 0);
      assert.equal((await call(cloudflare, { tags: ['a'] })).json().success, true);
    });
  }
}

test('a connection can be reset, and the request is captured all the same', async () => {
  const cloudflare = await open();
  cloudflare.failNext({ kind: 'reset', applied: true });
  await assert.rejects(call(cloudflare, { tags: ['a'] }));
  assert.equal(cloudflare.purged.count('tags', 'a'), 1);
  assert.deepEqual(
    cloudflare.requests.map(({ method, body, outcome }) => ({ method, body, outcome })),
    [{ method: 'POST', body: '{"tags":["a"]}', outcome: 'reset' }],
  );
});

test('an answer can fail to come, until the stand-in is closed', async () => {
  const cloudflare = await open();
  cloudflare.failNext({ kind: 'hang' });
  const hanging = assert.rejects(call(cloudflare, { tags: ['a'] }));
  await cloudflare.waitForRequests(1);
  assert.equal(cloudflare.requests[0]?.outcome, 'hang');
  await cloudflare.close();
  await hanging;
});

test('faults hit as many purges as they are told to, in order, and no other calls', async () => {
  const cloudflare = await open();
  cloudflare.failNext({ kind: '429', retryAfterSeconds: 7 }, 2);
  cloudflare.failNext({ kind: '500' });
  assert.equal((await call(cloudflare, undefined, { action: '', method: 'GET' })).status, 200);
  const answers = [];
  for (let count = 0; count < 4; count += 1) answers.push(await call(cloudflare, { tags: ['a'] }));
  assert.deepEqual(
    answers.map(({ status, headers }) => [status, headers['retry-after']]),
    [
      [429, '7'],
      [429, '7'],
      [500, undefined],
      [200, undefined],
    ],
  );
});

for (const status of [400, 413] as const) {
  test(`calls above a smaller size than the documented one can be made to end in ${status}`, async () => {
    const cloudflare = await open();
    cloudflare.limitBatch({ kind: 'files', items: 30, status });
    const refused = await call(cloudflare, { files: pages(31) });
    assert.equal(refused.status, status);
    assert.match(refused.json().errors[0].message, /30/);
    assert.equal((await call(cloudflare, { files: pages(30) })).status, 200);
    assert.equal((await call(cloudflare, { tags: words(31) })).status, 200);
  });
}

async function openWithEdge(effectDelayMs = 0) {
  const origin: Origin = await startOrigin();
  opened.push(origin);
  const cloudflare = await open({ edge: { originPort: origin.port, effectDelayMs } });
  const visit = async (path: string, host = 'www.example.com') => {
    const { headers, text } = await exchange(`${cloudflare.edgeUrl}${path}`, { headers: { host } });
    assert.equal(headers['cache-tag'], undefined);
    return `${headers['cf-cache-status']} ${text.trim().replace(/^.*#/, '#')}`;
  };
  return { origin, cloudflare, visit };
}

const purgesOfOnePage: readonly [what: string, body: unknown][] = [
  ['its URL', { files: ['https://www.example.com/img/a?b=1'] }],
  [
    'its URL with headers',
    { files: [{ url: 'https://www.example.com/img/a?b=1', headers: { 'CF-IPCountry': 'DE' } }] },
  ],
  ['a tag, in any case', { tags: ['Page-1'] }],
  ['its host', { hosts: ['www.example.com'] }],
  ['a prefix', { prefixes: ['www.example.com/img'] }],
  ['its whole path as a prefix', { prefixes: ['www.example.com/img/a'] }],
  ['everything', { purge_everything: true }],
];
for (const [what, body] of purgesOfOnePage) {
  test(`the edge fetches a page anew after a purge of ${what}`, async () => {
    const { origin, cloudflare, visit } = await openWithEdge();
    origin.setHeaders('/img/a?b=1', { 'cache-control': 'max-age=3600', 'cache-tag': 'site, page-1' });
    assert.equal(await visit('/img/a?b=1'), 'MISS #1');
    assert.equal(await visit('/img/a?b=1'), 'HIT #1');
    assert.equal((await call(cloudflare, body)).status, 200);
    assert.equal(await visit('/img/a?b=1'), 'MISS #2');
    assert.equal(await visit('/img/a?b=1'), 'HIT #2');
  });
}

const purgesOfOthers: readonly [what: string, body: unknown][] = [
  ['the URL without its query', { files: ['https://www.example.com/img/a'] }],
  ['the URL in another case', { files: ['https://www.example.com/IMG/a?b=1'] }],
  ['another tag', { tags: ['page-10'] }],
  ['another host of the zone', { hosts: ['example.com'] }],
  ['the beginning of a path segment', { prefixes: ['www.example.com/im'] }],
];
for (const [what, body] of purgesOfOthers) {
  test(`the edge keeps a page after a purge of ${what}`, async () => {
    const { origin, cloudflare, visit } = await openWithEdge();
    origin.setHeaders('/img/a?b=1', { 'cache-control': 'max-age=3600', 'cache-tag': 'page-1' });
    await visit('/img/a?b=1');
    assert.equal((await call(cloudflare, body)).status, 200);
    assert.equal(await visit('/img/a?b=1'), 'HIT #1');
  });
}

test('after an invalidation the edge asks the origin first, and says so', async () => {
  const { cloudflare, visit } = await openWithEdge();
  await visit('/soft');
  await call(cloudflare, { hosts: ['www.example.com'] }, { action: '/invalidate_cache' });
  assert.equal(await visit('/soft'), 'EXPIRED #2');
  assert.equal(await visit('/soft'), 'HIT #2');
});

test('a purge that is accepted takes effect only after a while, also on what was stored meanwhile', async () => {
  const { cloudflare, visit } = await openWithEdge(150);
  await visit('/early');
  await call(cloudflare, { purge_everything: true });
  nowMs += 149;
  assert.equal(await visit('/early'), 'HIT #1');
  assert.equal(await visit('/meanwhile'), 'MISS #1');
  nowMs += 1;
  assert.equal(await visit('/early'), 'MISS #2');
  assert.equal(await visit('/meanwhile'), 'MISS #2');
});

test('a private page is not stored, and a visit to the bare address is one to the zone', async () => {
  const { origin, cloudflare, visit } = await openWithEdge();
  origin.setHeaders('/private', { 'cache-control': 'private' });
  assert.equal(await visit('/private'), 'BYPASS #1');
  assert.equal(await visit('/private'), 'BYPASS #2');
  await exchange(`${cloudflare.edgeUrl}/bare`);
  assert.equal(await visit('/bare', 'example.com'), 'HIT #1');
});
