import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';

import type { CacheServer } from './cache-server.ts';
import { type Exchange, exchange } from './exchange.ts';
import { findNginx, startNginx } from './nginx.ts';
import { type Origin, startOrigin } from './origin.ts';

const HOST = 'www.example.com';

let origin: Origin;
let nginx: CacheServer;
before(async () => {
  origin = await startOrigin();
  nginx = await startNginx({ originPort: origin.port });
});
after(async () => {
  await nginx?.close();
  await origin?.close();
});

async function visit(path: string, host = HOST): Promise<string> {
  const answer = await exchange(nginx.url + path, { headers: { host } });
  assert.equal(answer.status, 200, nginx.log.join('\n'));
  return answer.text.trim();
}

function purge(path: string, host = HOST): Promise<Exchange> {
  return exchange(nginx.url + path, { method: 'PURGE', headers: { host } });
}

test('PURGE drops one address of one host', async () => {
  assert.equal(await visit('/a?b=1'), `${HOST}/a?b=1 #1`);
  assert.equal(await visit('/a?b=1'), `${HOST}/a?b=1 #1`);
  await visit('/a?b=2');
  await visit('/a?b=1', 'other.example.com');

  const { status, headers } = await purge('/a?b=1');
  assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 200, mark: 'done' });
  assert.equal(await visit('/a?b=1'), `${HOST}/a?b=1 #3`);
  assert.equal(await visit('/a?b=2'), `${HOST}/a?b=2 #1`);
  assert.equal(await visit('/a?b=1', 'other.example.com'), 'other.example.com/a?b=1 #2');
});

test('PURGE of what is not stored is answered with 404 by the rules, and the origin is not asked', async () => {
  const { status, headers } = await purge('/never-asked-for');
  assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 404, mark: 'done' });
  assert.equal(origin.hits('/never-asked-for'), 0);
});

test('an encoded question mark belongs to the path, for visits and purges alike', async () => {
  await visit('/page%3Fb');
  await visit('/page?b');
  assert.equal((await purge('/page%3Fb')).status, 200);
  assert.equal(await visit('/page?b'), `${HOST}/page?b #1`);
  assert.equal(await visit('/page%3Fb'), `${HOST}/page%3Fb #2`);
});

test('a page that varies is not stored, because the purge module would not find it', async () => {
  origin.setHeaders('/varies', { 'cache-control': 'max-age=3600', vary: 'accept-language' });
  assert.equal(await visit('/varies'), `${HOST}/varies #1`);
  assert.equal(await visit('/varies'), `${HOST}/varies #2`);
});

test('the way that purges go inside cannot be visited from outside', async () => {
  const visited = await exchange(`${nginx.url}/__purge`, { headers: { host: HOST } });
  assert.equal(visited.status, 404);
  assert.equal(origin.hits('/__purge'), 0);
});

test('many purges at once leave no worker dead', async () => {
  const paths = Array.from({ length: 200 }, (_, index) => `/many/${index}`);
  await Promise.all(paths.map((path) => visit(path)));
  const answers = await Promise.all(paths.map((path) => purge(path)));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.doesNotMatch(nginx.log.join('\n'), /exited on signal/);
});

test('whoever is not on the list of purgers gets 403, and nothing is purged', async (t) => {
  const guarded = await startNginx({ originPort: origin.port, purgers: ['192.0.2.1'] });
  t.after(() => guarded.close());
  const read = async () => (await exchange(`${guarded.url}/guarded`, { headers: { host: HOST } })).text;
  const stored = await read();
  assert.equal((await exchange(`${guarded.url}/guarded`, { method: 'PURGE', headers: { host: HOST } })).status, 403);
  assert.equal(await read(), stored);
});

test('an nginx that is closed is gone with its folder, and closing again does no harm', async () => {
  const second = await startNginx({ originPort: origin.port });
  assert.ok(existsSync(second.folder));
  await second.close();
  await second.close();
  assert.equal(existsSync(second.folder), false);
  await assert.rejects(exchange(second.url));
});

test('a configuration with a mistake is reported with what nginx said', async () => {
  const broken = startNginx({
    originPort: origin.port,
    edit: (text) => text.replace('proxy_cache pages', 'nonsense on'),
  });
  await assert.rejects(broken, /ended while starting.*unknown directive "nonsense"/s);
});

test('an installed nginx with its purge module is found', () => {
  assert.match(findNginx() ?? '', /nginx$/);
});
