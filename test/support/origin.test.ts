import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { exchange } from './exchange.ts';
import { type Origin, startOrigin } from './origin.ts';

let origin: Origin;
beforeEach(async () => {
  origin = await startOrigin();
});
afterEach(() => origin.close());

test('every answer differs, counted by path with its query', async () => {
  const read = async (path: string) => (await exchange(origin.url + path, { headers: { host: 'a.example' } })).text;
  assert.deepEqual(
    [await read('/x'), await read('/x'), await read('/x?y')],
    ['a.example/x #1\n', 'a.example/x #2\n', 'a.example/x?y #1\n'],
  );
  assert.deepEqual([origin.hits('/x'), origin.hits('/x?y'), origin.hits('/z')], [2, 1, 0]);
});

test('requests are captured with method and host', async () => {
  await exchange(`${origin.url}/x`, { method: 'POST', headers: { host: 'a.example', 'x-tried': 'yes' }, body: 'text' });
  const [request] = origin.requests;
  assert.deepEqual([request?.method, request?.path, request?.host], ['POST', '/x', 'a.example']);
  assert.equal(request?.headers['x-tried'], 'yes');
});

test('answers may be cached, unless their path has headers of its own', async () => {
  origin.setHeaders('/private', { 'cache-control': 'private', xkey: 'a b' });
  assert.equal((await exchange(`${origin.url}/x`)).headers['cache-control'], 'public, max-age=3600');
  const { headers } = await exchange(`${origin.url}/private`);
  assert.deepEqual([headers['cache-control'], headers.xkey], ['private', 'a b']);
});

test('a test can wait for the hits to come', async () => {
  const third = origin.waitForHits('/x', 3);
  for (let count = 0; count < 3; count += 1) await exchange(`${origin.url}/x`);
  await third;
  await origin.waitForHits('/x', 2);
});
