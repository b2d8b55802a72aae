import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./run.ts', import.meta.url));
const escapeCode = '\u001b';
/** It is to end by itself within 15 s on an idle machine. */
const longestMs = 45_000;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-demo-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Node's own compile cache stays, as it is meant to. */
async function leftovers(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('aftersync-'));
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_DISABLE_COLORS: ___, ...inherited } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, TMPDIR: folder, ...env },
    timeout: longestMs,
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [exitCode]]) => ({ stdout, stderr, exitCode: exitCode as number | null }),
  );
  return { child, ended };
}

const promised = [
  /\+\d+\.\d\ds {2}github +a stand-in for GitHub with acme\/shop at http:\/\/127\.0\.0\.1:\d+/,
  /\+\d+\.\d\ds {2}aftersync +serves http:\/\/127\.0\.0\.1:\d+/,
  /PUT \/v1\/executions\/smoke \(trigger-github-action\) is answered with 201/,
  /running {2}GitHub has queued the run/,
  /running {2}the run is in progress/,
  /succeeded {2}the run ended with success/,
  /\/shop HIT, \/cart HIT, \/about HIT, \/jobs HIT/,
  /effect purge-tags is done/,
  /\/shop MISS, \/cart MISS, \/about MISS, \/jobs HIT/,
  /each answered with 200, succeeded/,
  /github +has got 1 dispatch in all/,
  /kill -9 aftersync/,
  /Summary\n +1 {2}run of smoke\.yml started at GitHub\n/,
  / +3 {2}pages purged: a HIT before, a MISS after\n/,
  / +1 {2}run of smoke\.yml after 10 repeats of the request\n/,
  / +1 {2}run of deploy\.yml, though aftersync was killed\n$/,
];

describe('the demo', () => {
  for (const { title, args, cache } of [
    { title: 'with a real Varnish', args: [], cache: /cache +a real Varnish \(\/.*varnishd\) at http/ },
    {
      title: 'without one',
      args: ['--without-varnish'],
      cache: /cache +a stand-in for Varnish \(as asked for\) at http/,
    },
  ]) {
    test(`${title} shows all that it promises in plain text, ends with 0 and leaves nothing behind`, async () => {
      const { stdout, stderr, exitCode } = await start(args).ended;
      assert.equal(exitCode, 0, stdout + stderr);
      assert.equal(stderr, '');
      for (const line of [...promised, cache]) assert.match(stdout, line);
      assert.ok(!stdout.includes(escapeCode), 'a pipe gets no escape codes');
      assert.deepEqual(await leftovers(), []);
    });
  }

  test('is coloured where FORCE_COLOR asks for it, and ends with 130 on Ctrl-C, with everything put away', async () => {
    const { child, ended } = start(['--without-varnish'], { FORCE_COLOR: '1' });
    let shown = '';
    child.stdout.on('data', (piece: Buffer) => {
      shown += piece.toString();
      if (shown.includes('is answered with 201')) child.kill('SIGINT');
    });
    const { stdout, stderr, exitCode } = await ended;
    assert.equal(exitCode, 130, stdout + stderr);
    assert.equal(stderr, 'interrupted\n');
    assert.ok(stdout.includes(`${escapeCode}[1m`));
    assert.deepEqual(await leftovers(), []);
    const url = /serves (http:\S+),/.exec(stdout)?.[1] ?? '';
    await assert.rejects(fetch(url), 'the server is gone');
  });

  test('says what went wrong and ends with 1', async () => {
    const { stderr, exitCode } = await start([], { TMPDIR: join(folder, 'missing') }).ended;
    assert.equal(exitCode, 1);
    assert.match(stderr, /^the demo failed: .*missing/);
  });
});
