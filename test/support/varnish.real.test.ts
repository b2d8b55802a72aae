import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { CacheServer } from './cache-server.ts';
import { eventually } from './eventually.ts';
import { type Exchange, exchange } from './exchange.ts';
import { type Origin, startOrigin } from './origin.ts';
import { findVarnish, startVarnish } from './varnish.ts';

const HOST = 'www.example.com';

let origin: Origin;
let varnish: CacheServer;
before(async () => {
  origin = await startOrigin();
  varnish = await startVarnish({ originPort: origin.port });
});
after(async () => {
  await varnish?.close();
  await origin?.close();
});

interface Visit {
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function visit(path: string, { host = HOST, headers = {} }: Visit = {}): Promise<string> {
  const answer = await exchange(varnish.url + path, { headers: { host, ...headers } });
  assert.equal(answer.status, 200, varnish.log.join('\n'));
  return answer.text.trim();
}

function purge(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Exchange> {
  return exchange(varnish.url + path, { method, headers: { host: HOST, ...headers } });
}

function ban(pattern: string): Promise<Exchange> {
  return purge('BAN', '/', { 'x-ban-url': pattern });
}

test('a page is stored, and shows nothing of the bookkeeping', async () => {
  assert.equal(await visit('/stored'), `${HOST}/stored #1`);
  const again = await exchange(`${varnish.url}/stored`, { headers: { host: HOST } });
  assert.equal(again.text.trim(), `${HOST}/stored #1`);
  assert.equal(again.headers['x-purge-url'], undefined);
});

test('PURGE drops one address of one host, with all its variants', async () => {
  origin.setHeaders('/purge?a=1', { 'cache-control': 'max-age=3600', vary: 'accept-language' });
  const english = { headers: { 'accept-language': 'en' } };
  assert.equal(await visit('/purge?a=1', english), `${HOST}/purge?a=1 #1`);
  assert.equal(await visit('/purge?a=1', { headers: { 'accept-language': 'de' } }), `${HOST}/purge?a=1 #2`);
  await visit('/purge?a=2');
  await visit('/purge?a=1', { host: 'other.example.com' });

  const { status, headers } = await purge('PURGE', '/purge?a=1');
  assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 200, mark: 'Purged' });
  assert.equal(await visit('/purge?a=1', english), `${HOST}/purge?a=1 #4`);
  assert.equal(await visit('/purge?a=1', { headers: { 'accept-language': 'de' } }), `${HOST}/purge?a=1 #5`);
  assert.equal(await visit('/purge?a=2'), `${HOST}/purge?a=2 #1`);
  assert.equal(await visit('/purge?a=1', { host: 'other.example.com' }), 'other.example.com/purge?a=1 #3');
});

test('PURGE finds the page whatever the case of its host', async () => {
  await visit('/case', { host: 'WWW.Example.com' });
  await purge('PURGE', '/case', { host: 'www.EXAMPLE.com' });
  assert.equal(await visit('/case'), `${HOST}/case #2`);
});

test('PURGE of what is not stored succeeds', async () => {
  assert.equal((await purge('PURGE', '/never-asked-for')).status, 200);
  assert.equal(origin.hits('/never-asked-for'), 0);
});

test('SOFTPURGE serves the stale page once more and fetches the new one meanwhile', async () => {
  await visit('/soft');
  const { status, headers } = await purge('SOFTPURGE', '/soft');
  assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 200, mark: '1 objects' });
  assert.equal(await visit('/soft'), `${HOST}/soft #1`);
  await origin.waitForHits('/soft', 2);
  await eventually(
    () => visit('/soft'),
    (text) => text === `${HOST}/soft #2`,
  );
});

test('SOFTPURGE reaches variants that it does not name itself', async () => {
  origin.setHeaders('/soft-variants', { 'cache-control': 'max-age=3600', vary: 'accept-language' });
  await visit('/soft-variants', { headers: { 'accept-language': 'en' } });
  await visit('/soft-variants', { headers: { 'accept-language': 'de' } });
  assert.equal((await purge('SOFTPURGE', '/soft-variants')).headers['x-purge'], '2 objects');
});

test('SOFTPURGE of what is not stored succeeds without asking the origin', async () => {
  const { status, headers } = await purge('SOFTPURGE', '/never-stored');
  assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 200, mark: '0 objects' });
  assert.equal(origin.hits('/never-stored'), 0);
});

test('SOFTPURGE of what is marked as not cacheable succeeds without asking the origin', async (t) => {
  const hitForPass = '\nsub vcl_backend_response { return (pass(60s)); }\n';
  const passing = await startVarnish({ originPort: origin.port, edit: (vcl) => vcl + hitForPass });
  t.after(() => passing.close());
  await exchange(`${passing.url}/passed`, { headers: { host: HOST } });
  const answer = await exchange(`${passing.url}/passed`, { method: 'SOFTPURGE', headers: { host: HOST } });
  assert.deepEqual({ status: answer.status, mark: answer.headers['x-purge'] }, { status: 200, mark: '0 objects' });
  assert.equal(origin.hits('/passed'), 1);
});

test('PURGEKEYS drops whatever the origin marked with one of the keys', async () => {
  const marked = { '/k1': 'site page-1', '/k2': 'site page-2', '/k3': 'site page-3' };
  for (const [path, xkey] of Object.entries(marked)) {
    origin.setHeaders(path, { 'cache-control': 'max-age=3600', xkey });
    await visit(path);
  }
  const { status, headers } = await purge('PURGEKEYS', '/', { 'xkey-purge': 'page-1 page-3 page-99' });
  assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 200, mark: '2 objects' });
  assert.deepEqual(await Promise.all(Object.keys(marked).map((path) => visit(path))), [
    `${HOST}/k1 #2`,
    `${HOST}/k2 #1`,
    `${HOST}/k3 #2`,
  ]);
});

test('PURGEKEYS with xkey-softpurge leaves the stale page to be served once more', async () => {
  origin.setHeaders('/soft-key', { 'cache-control': 'max-age=3600', xkey: 'soft-1' });
  await visit('/soft-key');
  assert.equal((await purge('PURGEKEYS', '/', { 'xkey-softpurge': 'soft-1' })).headers['x-purge'], '1 objects');
  assert.equal(await visit('/soft-key'), `${HOST}/soft-key #1`);
  await eventually(
    () => visit('/soft-key'),
    (text) => text === `${HOST}/soft-key #2`,
  );
});

test('PURGEKEYS takes 7,500 bytes of keys in one header, and refuses what is longer than Varnish takes', async () => {
  const keys = (bytes: number) => 'key-0001 '.repeat(Math.floor(bytes / 9)).trim();
  assert.equal((await purge('PURGEKEYS', '/', { 'xkey-purge': keys(7_500) })).status, 200);
  const refused = await purge('PURGEKEYS', '/', { 'xkey-purge': keys(8_400) });
  assert.deepEqual({ status: refused.status, mark: refused.headers['x-purge'] }, { status: 400, mark: undefined });
});

test('BAN drops by host and path: a prefix, several prefixes, a whole host', async () => {
  const pages = ['/img/a', '/img/b?c=1', '/imgs', '/css/a', '/js/a'];
  const storedAgain = async (pattern: string) => {
    for (const path of pages) await visit(path);
    const { status, headers } = await ban(pattern);
    assert.deepEqual({ status, mark: headers['x-purge'] }, { status: 200, mark: 'Banned' });
    const before = pages.map((path) => origin.hits(path));
    for (const path of pages) await visit(path);
    return pages.filter((path, index) => origin.hits(path) !== before[index]);
  };
  assert.deepEqual(await storedAgain('^www\\.example\\.com/img/'), ['/img/a', '/img/b?c=1']);
  assert.deepEqual(await storedAgain('^(?:www\\.example\\.com/css/|www\\.example\\.com/js/)'), ['/css/a', '/js/a']);
  assert.deepEqual(await storedAgain('^other\\.example\\.com/'), []);
  assert.deepEqual(await storedAgain('^www\\.example\\.com/'), pages);
});

test('BAN of a dot drops everything, of all hosts', async () => {
  const hosts = ['one.example.com', 'two.example.com'];
  for (const host of hosts) await visit('/everything', { host });
  await ban('.');
  const fetched = origin.hits('/everything');
  for (const host of hosts) await visit('/everything', { host });
  assert.equal(origin.hits('/everything'), fetched + hosts.length);
});

test('bans can be worked off in the background, since they ask for nothing of a request', async () => {
  await ban('^lurker\\.example\\.com/');
  const list = execFileSync('varnishadm', ['-n', varnish.folder, 'ban.list'], { encoding: 'utf8' });
  assert.match(list, /obj\.http\.x-purge-url ~ \^lurker/);
  assert.doesNotMatch(list, /\breq\./);
});

const refused = [
  ['BAN with a broken pattern', 'BAN', { 'x-ban-url': '(' }],
  ['BAN with a further condition behind the pattern', 'BAN', { 'x-ban-url': '. && obj.status == 404' }],
  ['BAN with an empty pattern', 'BAN', { 'x-ban-url': '' }],
  ['BAN without a pattern', 'BAN', {}],
  ['PURGEKEYS without keys', 'PURGEKEYS', {}],
] as const;
for (const [what, method, headers] of refused) {
  test(`${what} is refused with 400`, async () => {
    await visit('/refused');
    const answer = await purge(method, '/', headers);
    assert.equal(answer.status, 400);
    assert.ok(answer.headers['x-purge'], 'the refusal says that it comes from the rules');
    const fetched = origin.hits('/refused');
    await visit('/refused');
    assert.equal(origin.hits('/refused'), fetched);
  });
}

test('whoever is not on the list of purgers gets 403 for every method, and nothing is purged', async (t) => {
  const guarded = await startVarnish({ originPort: origin.port, purgers: ['192.0.2.1'] });
  t.after(() => guarded.close());
  const read = async () => (await exchange(`${guarded.url}/guarded`, { headers: { host: HOST } })).text;
  const stored = await read();
  const headers = { host: HOST, 'xkey-purge': 'site', 'x-ban-url': '.' };
  for (const method of ['PURGE', 'SOFTPURGE', 'PURGEKEYS', 'BAN']) {
    assert.equal((await exchange(`${guarded.url}/guarded`, { method, headers })).status, 403, method);
  }
  assert.equal(await read(), stored);
});

test('a Varnish that is closed is gone with its folder, and closing again does no harm', async () => {
  const second = await startVarnish({ originPort: origin.port });
  assert.ok(existsSync(second.folder));
  await second.close();
  await second.close();
  assert.equal(existsSync(second.folder), false);
  await assert.rejects(exchange(second.url));
});

test('a VCL with a mistake is reported with what the compiler said', async () => {
  const broken = startVarnish({ originPort: origin.port, edit: (vcl) => `${vcl}\nsub vcl_recv { nonsense; }\n` });
  await assert.rejects(broken, /ended while starting.*nonsense/s);
});

test('an installed Varnish is found', () => {
  assert.match(findVarnish() ?? '', /varnishd$/);
});
