import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { awsSignedHeaders } from '../../src/providers/cdn/aws-signature.ts';
import { assertDescribed } from './cloudfront/description.ts';
import type { AccessKey } from './cloudfront/signature.ts';
import { childOf, escapeXml, parseXml } from './cloudfront/xml.ts';
import { type CloudFront, type CloudFrontOptions, startCloudFront } from './cloudfront.ts';
import { exchange } from './exchange.ts';

let nowMs = 0;
const opened: CloudFront[] = [];
beforeEach(() => {
  nowMs = Date.UTC(2026, 10, 21);
});
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

async function open(options: CloudFrontOptions = {}): Promise<CloudFront> {
  const cloudfront = await startCloudFront({ nowMs: () => nowMs, ...options });
  opened.push(cloudfront);
  return cloudfront;
}

interface Call {
  readonly method?: 'GET' | 'POST';
  readonly body?: string;
  readonly path?: string;
  readonly key?: AccessKey;
  readonly region?: string;
  readonly atMs?: number;
}

/** Holds every answer that it gets to AWS's description. */
async function call(cloudfront: CloudFront, { method = 'POST', body = '', ...options }: Call) {
  const { path = `/2020-05-31/distribution/${cloudfront.distribution}/invalidation` } = options;
  const { key = cloudfront.key, region = 'us-east-1', atMs = nowMs } = options;
  const url = new URL(cloudfront.url + path);
  const scope = { region, service: 'cloudfront' };
  const headers = awsSignedHeaders({ method, url, headers: {}, body }, key, scope, atMs);
  const answer = await exchange(String(url), { method, headers, ...(body === '' ? {} : { body }) });
  assertDescribed({ method, path, requestBody: body, status: answer.status, body: answer.text });
  const document = parseXml(answer.text);
  const code = childOf(childOf(document, 'Error'), 'Code')?.text;
  return { status: answer.status, code, id: childOf(document, 'Id')?.text, state: childOf(document, 'Status')?.text };
}

function batch(paths: readonly string[], reference = paths.join(), quantity = paths.length): string {
  const items = paths.map((path) => `<Path>${escapeXml(path)}</Path>`).join('');
  const all = `<Paths><Quantity>${quantity}</Quantity><Items>${items}</Items></Paths>`;
  return `<InvalidationBatch>${all}<CallerReference>${escapeXml(reference)}</CallerReference></InvalidationBatch>`;
}

const pathsOf = (count: number, suffix = '') => Array.from({ length: count }, (_, index) => `/${index}${suffix}`);

test('an invalidation is in progress for its time, and then completed', async () => {
  const cloudfront = await open({ completesAfterMs: 5_000 });
  const { status, id, state } = await call(cloudfront, { body: batch(['/a?b=<c>&d', '#tag']) });
  assert.deepEqual([status, state], [201, 'InProgress']);
  const path = `/2020-05-31/distribution/${cloudfront.distribution}/invalidation/${id}`;
  nowMs += 4_999;
  assert.equal((await call(cloudfront, { method: 'GET', path })).state, 'InProgress');
  nowMs += 1;
  assert.equal((await call(cloudfront, { method: 'GET', path })).state, 'Completed');
  assert.deepEqual(cloudfront.invalidations[0]?.paths, ['/a?b=<c>&d', '#tag']);
});

test('the same reference and paths are the same invalidation, other paths are refused', async () => {
  const cloudfront = await open();
  const first = await call(cloudfront, { body: batch(['/a'], 'one') });
  assert.equal((await call(cloudfront, { body: batch(['/a'], 'one') })).id, first.id);
  assert.equal((await call(cloudfront, { body: batch(['/b'], 'one') })).code, 'InvalidationBatchAlreadyExists');
  assert.equal(cloudfront.invalidations.length, 1);
});

const REFUSED: readonly [title: string, paths: readonly string[], code: string, quantity?: number][] = [
  ['a path without a slash', ['a'], 'InvalidArgument'],
  ['a * in the middle', ['/a*b'], 'InvalidArgument'],
  ['a tag with a *', ['#a*'], 'InvalidArgument'],
  ['a tag of 257 characters', [`#${'a'.repeat(257)}`], 'InvalidArgument'],
  ['a character that is not encoded', ['/ä'], 'InvalidArgument'],
  ['another quantity', ['/a'], 'InconsistentQuantities', 2],
  ['3,001 paths', pathsOf(3_001), 'TooManyInvalidationsInProgress'],
  ['16 wildcards', pathsOf(16, '*'), 'TooManyInvalidationsInProgress'],
];

for (const [title, paths, code, quantity] of REFUSED) {
  test(`a batch is refused, and nothing is done: ${title}`, async () => {
    const cloudfront = await open();
    assert.equal((await call(cloudfront, { body: batch(paths, 'one', quantity) })).code, code);
    assert.equal(cloudfront.invalidations.length, 0);
  });
}

test('3,000 paths and 15 wildcards may be in progress, and as many again when they are completed', async () => {
  const cloudfront = await open({ completesAfterMs: 20_000 });
  assert.equal((await call(cloudfront, { body: batch(pathsOf(3_000)) })).status, 201);
  assert.equal((await call(cloudfront, { body: batch(pathsOf(15, '*')) })).status, 201);
  for (const path of ['/one', '/one*']) {
    assert.equal((await call(cloudfront, { body: batch([path]) })).code, 'TooManyInvalidationsInProgress');
  }
  nowMs += 20_000;
  assert.equal((await call(cloudfront, { body: batch(pathsOf(3_000, 'x')) })).status, 201);
  assert.equal((await call(cloudfront, { body: batch(pathsOf(15, 'x*')) })).status, 201);
});

test('150 paths and one wildcard a second are taken', async () => {
  const cloudfront = await open();
  await call(cloudfront, { body: batch(pathsOf(3_000)) });
  await call(cloudfront, { body: batch(pathsOf(15, '*')) });
  assert.equal((await call(cloudfront, { body: batch(pathsOf(150, 'x')) })).code, 'Throttling');
  assert.equal((await call(cloudfront, { body: batch(['/x*']) })).code, 'Throttling');
  nowMs += 1_000;
  assert.equal((await call(cloudfront, { body: batch(pathsOf(150, 'x')) })).status, 201);
  assert.equal((await call(cloudfront, { body: batch(['/x*']) })).status, 201);
});

const KEYS: readonly [title: string, given: Call, code: string][] = [
  ['another key', { key: { accessKeyId: 'AKIDOTHER', secretAccessKey: 'x' } }, 'InvalidClientTokenId'],
  ['a wrong secret', { key: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'x' } }, 'SignatureDoesNotMatch'],
  ['another region', { region: 'eu-central-1' }, 'SignatureDoesNotMatch'],
  ['a clock that is wrong', { atMs: Date.UTC(2026, 10, 21, 1) }, 'SignatureDoesNotMatch'],
  ['another distribution', { path: '/2020-05-31/distribution/EOTHER/invalidation' }, 'NoSuchDistribution'],
];

for (const [title, given, code] of KEYS) {
  test(`a call is refused, and nothing is done: ${title}`, async () => {
    const cloudfront = await open();
    assert.equal((await call(cloudfront, { body: batch(['/a']), ...given })).code, code);
    assert.equal(cloudfront.invalidations.length, 0);
  });
}

test('temporary keys need their session token', async () => {
  const key = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'session' };
  const cloudfront = await open({ key });
  assert.equal((await call(cloudfront, { body: batch(['/a']) })).status, 201);
  const stale = { ...key, sessionToken: 'older' };
  assert.equal((await call(cloudfront, { body: batch(['/a']), key: stale })).code, 'ExpiredToken');
});

test('the check refuses what AWS would not answer', async () => {
  const path = '/2020-05-31/distribution/E1/invalidation';
  const text = `<Id>I1</Id><Status>Completed</Status><CreateTime>2026-11-21T00:00:00Z</CreateTime>${batch(['/a'])}`;
  const good = {
    method: 'POST',
    path,
    requestBody: batch(['/a']),
    status: 201,
    body: `<Invalidation>${text}</Invalidation>`,
  };
  assertDescribed(good);
  assert.throws(() => assertDescribed({ ...good, status: 200 }));
  assert.throws(() => assertDescribed({ ...good, body: good.body.replace(/<Id>.*<.Id>/, '') }), /lacks Id/);
  assert.throws(() => assertDescribed({ ...good, body: good.body.replace('<Id>', '<Soft/><Id>') }), /has no Soft/);
  assert.throws(() => assertDescribed({ ...good, body: good.body.replace('00Z', '00') }), /match/);
  assert.throws(() => assertDescribed({ ...good, requestBody: '<InvalidationBatch/>' }), /lacks Paths/);
  assert.throws(() => assertDescribed({ ...good, path: '/2020-05-31/distribution' }), /describes no POST/);
});
