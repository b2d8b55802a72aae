import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import type { ConnectionSettings } from '../../src/core/connection.ts';
import { type Execution, isFinal } from '../../src/core/execution.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { type LocalEngine, openLocal } from '../../src/main.ts';
import type { CacheServer } from '../support/cache-server.ts';
import { type Cloudflare, startCloudflare } from '../support/cloudflare.ts';
import { exchange } from '../support/exchange.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startVarnish } from '../support/varnish.ts';

let folder: string;
let origin: Origin;
let cache: CacheServer;
let api: Cloudflare;
let local: LocalEngine;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-purge-'));
  const apiTokenFile = join(folder, 'token');
  origin = await startOrigin();
  cache = await startVarnish({ originPort: origin.port });
  api = await startCloudflare({ zones: [{ name: 'example.com', plan: 'pro' }] });
  await writeFile(apiTokenFile, `${api.token}\n`);
  const zone = { zone: api.zones[0].id, apiTokenFile, baseUrl: api.apiUrl, plan: 'pro' };
  local = await openLocal(
    {
      namespace: 'default',
      server: { host: '127.0.0.1', port: 0 },
      auth: {},
      store: { type: 'sqlite', path: ':memory:' },
      retention: { finishedMs: 86_400_000 },
      log: { level: 'fatal' },
      network: { allow: [] },
      connections: [
        connection('edge', 'varnish', { endpoints: [cache.url] }, ['*.example.com']),
        connection('zone', 'cloudflare', zone, ['*']),
      ],
    },
    { log: pino({ level: 'silent' }) },
  );
  local.engine.start();
});
after(async () => {
  await local?.close();
  await Promise.all([cache?.close(), api?.close(), origin?.close()]);
  await rm(folder, { recursive: true, force: true });
});

function connection(name: string, type: string, options: JsonObject, hosts: string[]): ConnectionSettings {
  const allow = { namespaces: ['default'], hosts };
  return { name, type, options: options as ConnectionSettings['options'], allow, isDefault: false, place: 'test' };
}

async function run(id: string, given: JsonObject): Promise<Execution> {
  const { store, engine } = local;
  const ended = new Promise<Execution>((resolve) => {
    const release = store.watch((execution) => {
      if (execution.id !== id || !isFinal(execution.status.state)) return;
      release();
      resolve(execution);
    });
  });
  await engine.accept({ namespace: 'default', id, caller: 'test', body: { step: 'purge-cdn', with: given } });
  return ended;
}

async function visit(path: string): Promise<string> {
  return (await exchange(cache.url + path, { headers: { host: 'www.example.com' } })).text;
}

describe('purge-cdn in the engine', () => {
  it('purges 2,500 pages of a real Varnish, and nothing else', async () => {
    const paths = Array.from({ length: 2_500 }, (_, index) => `/p/${index}`);
    for (const path of ['/other', ...paths]) await visit(path);
    const urls = paths.map((path) => `http://www.example.com${path}`);
    const { status } = await run('pages', { connection: 'edge', urls });
    assert.equal(status.state, 'succeeded', status.message);
    assert.deepEqual(status.outputs.purged, { urls: 2_500, tags: 0, prefixes: 0, hosts: 0, everything: 0 });
    for (const path of paths) assert.match(await visit(path), / #2\n/);
    assert.match(await visit('/other'), / #1\n/);
  });

  it('keeps to the rate of Cloudflare without meeting a 429, and names an item that is refused', async () => {
    const urls = Array.from({ length: 3_000 }, (_, index) => `https://www.example.com/${index}`);
    const tags = ['a', 'b'];
    const { status } = await run('zone', { connection: 'zone', urls: [...urls, 'https://elsewhere.example/'], tags });
    assert.deepEqual([status.state, status.reason], ['failed', 'PartlyFailed']);
    assert.deepEqual(status.outputs.purged, { urls: 3_000, tags: 2, prefixes: 0, hosts: 0, everything: 0 });
    assert.match(JSON.stringify(status.outputs.failed), /elsewhere\.example is not of the zone/);
    for (const url of urls) assert.equal(api.purged.count('files', url), 1);
    assert.ok(api.requests.every(({ outcome }) => outcome === 200 || outcome === 400));
  });

  it('does what is open again after faults, until each item is purged', async () => {
    const before = api.requests.length;
    api.failNext({ kind: 'html-200' });
    api.failNext({ kind: 'reset', applied: true });
    api.failNext({ kind: '429', retryAfterSeconds: 1 });
    const { status } = await run('faults', { connection: 'zone', hosts: ['www.example.com'], soft: true });
    assert.equal(status.state, 'succeeded', status.message);
    assert.deepEqual(
      api.requests.slice(before).map(({ outcome }) => outcome),
      [200, 'reset', 429, 200],
    );
  });

  it('is denied for a host that policy does not name, before anything is sent', async () => {
    const { status } = await run('denied', { connection: 'edge', urls: ['http://www.example.org/'] });
    assert.deepEqual([status.state, status.reason], ['failed', 'Denied']);
    assert.match(status.message, /www\.example\.org/);
  });

  it('says what the provider can purge where it lacks the kind', async () => {
    const { status } = await run('lacking', { connection: 'edge', hosts: ['www.example.com'], soft: true });
    assert.deepEqual([status.state, status.reason], ['failed', 'Rejected']);
    assert.match(
      status.message,
      /varnish cannot softly purge hosts; it can purge urls \(also soft\), tags \(also soft\), prefixes/,
    );
  });
});
