import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Listening, listenOnLoopback } from '../support/listen.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { CapturedOutput } from './command-line.ts';

const program = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const purge = ['run', 'purge-cdn', '--with', 'urls[]=http://www.example.com/a.css'];

/** A process of `aftersync`. */
interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

let folder: string;
let cache: Cache;
let children: Running[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-process-'));
  cache = await startCache();
  children = [];
  await configure('127.0.0.1:0');
});

afterEach(async () => {
  for (const { child } of children) child.kill('SIGKILL');
  await Promise.all(children.map(({ ended }) => ended));
  await cache.close();
  await rm(folder, { recursive: true });
});

/** Plays a Varnish that answers a purge when the test lets it. */
interface Cache extends Listening {
  readonly held: ServerResponse[];
  /** Resolves when so many purges have arrived. */
  arrived(count: number): Promise<void>;
}

async function startCache(): Promise<Cache> {
  const held: ServerResponse[] = [];
  const server = createServer((req, res) => {
    req.resume();
    held.push(res);
    server.emit('purge');
  });
  return {
    ...(await listenOnLoopback(server)),
    held,
    async arrived(count) {
      while (held.length < count) await once(server, 'purge');
    },
  };
}

function answerPurge(res: ServerResponse | undefined): void {
  res?.writeHead(200, { 'x-purge': 'done' }).end();
}

async function configure(address: string): Promise<void> {
  const connection = `{ name: edge, type: varnish, endpoints: ["${cache.url}"], sendTimeout: 2m }`;
  await writeFile(join(folder, 'aftersync.yaml'), `server: { address: "${address}" }\nconnections: [${connection}]\n`);
}

function aftersync(...args: string[]): Running {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  const running = { child, stdout, stderr, ended };
  children.push(running);
  return running;
}

/** Starts `serve`, and tells where. */
async function serve(): Promise<Running & { readonly url: string }> {
  const server = aftersync('serve');
  await Promise.race([server.stderr.wrote('aftersync serves http'), server.ended]);
  const [, url] = /aftersync serves (\S+)/.exec(server.stderr.text) ?? [];
  assert(url !== undefined, server.stderr.text);
  await server.stderr.wrote(`${url}\n`);
  return { ...server, url };
}

describe('serve', () => {
  test('serves what the commands ask for, and ends with 0 at SIGTERM', async () => {
    const server = await serve();
    const run = aftersync(...purge, '--wait', '--output', 'json', '--server', server.url);
    await cache.arrived(1);
    answerPurge(cache.held[0]);
    assert.equal(await run.ended, 0, run.stderr.text);
    assert.equal(JSON.parse(run.stdout.text).outputs.purged.urls, 1);
    assert.equal(cache.held.length, 1);

    server.child.kill('SIGTERM');
    assert.equal(await server.ended, 0, server.stderr.text);
  });

  test('finishes what it is sending at the first signal', async () => {
    const server = await serve();
    assert.equal(await aftersync(...purge, '--id', 'smoke', '--server', server.url).ended, 0);
    await cache.arrived(1);
    server.child.kill('SIGINT');
    await server.stderr.wrote('a second signal stops at once');
    answerPurge(cache.held[0]);
    assert.equal(await server.ended, 0, server.stderr.text);

    const { url } = await serve();
    assert.equal(await aftersync('watch', 'smoke', '--server', url).ended, 0);
    assert.equal(cache.held.length, 1, 'what was sent is known, and not sent again');
  });

  test('ends at once at the second signal', async () => {
    const server = await serve();
    assert.equal(await aftersync(...purge, '--server', server.url).ended, 0);
    await cache.arrived(1);
    server.child.kill('SIGTERM');
    await server.stderr.wrote('a second signal stops at once');
    server.child.kill('SIGTERM');
    assert.equal(await server.ended, 143);
  });

  test('does not start with mistakes in the configuration, and names them', async () => {
    await writeFile(join(folder, 'aftersync.yaml'), 'sevrer: {}\nlog: { level: loud }\n');
    const server = aftersync('serve');
    assert.equal(await server.ended, 2);
    assert.match(
      server.stderr.text,
      /^aftersync\.yaml:1:1: sevrer: is not a known key; did you mean server\?\naftersync\.yaml:2:15: log\.level: /,
    );
  });

  test('does not start on a store that another process has open, and names that one', async () => {
    const first = await serve();
    const second = aftersync('serve');
    assert.equal(await second.ended, 1);
    assert.match(second.stderr.text, new RegExp(`is held by process ${first.child.pid} `));
  });

  test('says when the port is taken', async () => {
    await configure(new URL(cache.url).host);
    const server = aftersync('serve');
    assert.equal(await server.ended, 1);
    assert.match(
      server.stderr.text,
      /^error: cannot listen on 127\.0\.0\.1 port \d+: another process uses the port;.*\n$/,
    );
  });
});

test('run --wait goes on when the server is killed and started again, and the purge is done', async () => {
  await configure(`127.0.0.1:${await freeLoopbackPort()}`);
  const first = await serve();
  const run = aftersync(...purge, '--wait', '--server', first.url);
  await cache.arrived(1);
  first.child.kill('SIGKILL');
  await first.ended;
  await run.stderr.wrote('trying again');
  await serve();
  await cache.arrived(2);
  answerPurge(cache.held[1]);
  assert.equal(await run.ended, 0, run.stderr.text);
  assert.match(run.stdout.text, /^state {6}succeeded$/m);
});

test('run --wait that Ctrl-C ends says how to go on, and exits with 130', async () => {
  const server = await serve();
  const run = aftersync(...purge, '--wait', '--server', server.url);
  await run.stderr.wrote('is being sent');
  run.child.kill('SIGINT');
  assert.equal(await run.ended, 130);
  assert.match(
    run.stderr.text,
    /interrupted: it goes on; follow it with `aftersync watch x-\w+ --namespace default`\n$/,
  );
});

describe('run --local', () => {
  test('runs without a server, and a repeat with the same key sends nothing', async () => {
    const run = aftersync(...purge, '--local', '--key', 'release-1', '--output', 'json');
    await cache.arrived(1);
    answerPurge(cache.held[0]);
    assert.equal(await run.ended, 0, run.stderr.text);
    const first = JSON.parse(run.stdout.text);
    assert.equal(first.state, 'succeeded');

    const repeat = aftersync(...purge, '--local', '--key', 'release-1', '--output', 'json');
    assert.equal(await repeat.ended, 0, repeat.stderr.text);
    assert.deepEqual(JSON.parse(repeat.stdout.text), first);
    assert.equal(cache.held.length, 1);
  });

  test('refuses a store that a server has open', async () => {
    const server = await serve();
    const run = aftersync(...purge, '--local');
    assert.equal(await run.ended, 1);
    assert.match(run.stderr.text, new RegExp(`^error: the store .* is held by process ${server.child.pid} `));
  });

  test('says what is wrong with the parameters as a server would', async () => {
    const run = aftersync('run', 'purge-cdn', '--local', '--with', 'urls=3');
    assert.equal(await run.ended, 2);
    assert.match(
      run.stderr.text,
      /^error: The request does not fit the schema \(invalid-parameters\)\n {2}with\.urls: /,
    );
  });

  test('that is interrupted goes on at the next start on its store', async () => {
    const run = aftersync(...purge, '--local', '--id', 'smoke');
    await cache.arrived(1);
    run.child.kill('SIGINT');
    await run.stderr.wrote('interrupted: it goes on when aftersync is started with the same store');
    cache.held[0]?.destroy();
    assert.equal(await run.ended, 130);

    const server = await serve();
    const watch = aftersync('watch', 'smoke', '--server', server.url);
    await cache.arrived(2);
    answerPurge(cache.held[1]);
    assert.equal(await watch.ended, 0, watch.stderr.text);
  });
});

test('a reader that has enough ends a command without an error', async () => {
  const server = await serve();
  const watch = aftersync('watch', '--server', server.url, '--output', 'json');
  watch.child.stdout.unpipe(watch.stdout);
  watch.child.stdout.destroy();
  // The stream may open only after the first of these, so there are more until it has ended.
  let hasEnded = false;
  void watch.ended.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) assert.equal(await aftersync(...purge, '--server', server.url).ended, 0);
  assert.equal(await watch.ended, 0);
  assert.equal(watch.stderr.text, '');
});
