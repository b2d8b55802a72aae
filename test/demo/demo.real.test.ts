import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accountToken, kubeconfigOf } from '../providers/kubernetes/cluster-objects.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';

const program = fileURLToPath(new URL('./run.ts', import.meta.url));
const escapeCode = '\u001b';
/** It is to end by itself: on an idle machine within 15 s. */
const longestMs = 600_000;

let folder: string;
let kubernetes: Kubernetes;
/** Of an account that may read one object, so that the demo can do no more. */
let readerKubeconfig: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-demo-test-'));
  kubernetes = await startKubernetes();
  const rule = { apiGroups: [''], resources: ['namespaces'], resourceNames: ['default'], verbs: ['get'] };
  const token = await accountToken(kubernetes, 'demo', [rule]);
  readerKubeconfig = join(folder, 'kubeconfig');
  await writeFile(readerKubeconfig, await kubeconfigOf(kubernetes, { token }));
});
after(async () => {
  await kubernetes.close();
  await rm(folder, { recursive: true, force: true });
});

/** Node's own compile cache stays, as it is meant to. */
async function leftovers(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('aftersync-'));
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { NO_COLOR: _, FORCE_COLOR: __, NODE_DISABLE_COLORS: ___, ...inherited } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A missing kubeconfig, where none is given: this machine may have one of its own.
    env: { ...inherited, TMPDIR: folder, KUBECONFIG: join(folder, 'none'), ...env },
    timeout: longestMs,
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [exitCode]]) => ({ stdout, stderr, exitCode: exitCode as number | null }),
  );
  return { child, ended };
}

const rollOut = [
  /cluster +Deployment default\/web gets the image acme\/shop:2\.0; no pod has it yet/,
  /running {2}waiting for Deployment default\/web to be rolled out\n.*status is written: 1 of 2 replicas is updated/s,
  /status is written: 2 of 2 are updated and available\n.*image: acme\/shop:2\.0\n.*succeeded {2}Deployment default\/web is rolled out/s,
  /Summary\n +1 {2}Deployment seen as rolled out when it was, \d+ ms later, and its image handed on\n/,
];

const readOfYours = [
  /cluster +the cluster of your kubeconfig, which is only read, at https:\/\/127\.0\.0\.1:\d+/,
  /phase: Active\n.*succeeded {2}Namespace default has "Active" at \.status\.phase/,
  /Summary\n +1 {2}object of your cluster read, and nothing written there\n/,
];

const promised = [
  /\+\d+\.\d\ds {2}github +a stand-in for GitHub with acme\/shop at http:\/\/127\.0\.0\.1:\d+/,
  /\+\d+\.\d\ds {2}aftersync +serves http:\/\/127\.0\.0\.1:\d+/,
  /PUT \/v1\/executions\/smoke \(trigger-github-action\) is answered with 201/,
  /running {2}the run is queued or in progress/,
  /succeeded {2}the run ended with success/,
  /\/shop HIT, \/cart HIT, \/about HIT, \/jobs HIT/,
  /effect purge-tags is done/,
  /\/shop MISS, \/cart MISS, \/about MISS, \/jobs HIT/,
  /each answered with 200, succeeded/,
  /github +has got 1 dispatch in all/,
  /kill -9 aftersync/,
  / +1 {2}run of smoke\.yml started at GitHub\n/,
  / +3 {2}pages purged: a HIT before, a MISS after\n/,
  / +1 {2}run of smoke\.yml after 10 repeats of the request\n/,
  / +1 {2}run of deploy\.yml, though aftersync was killed\n$/,
];

describe('the demo', () => {
  for (const { title, args, hasCluster, special } of [
    {
      title: 'with a real Varnish and a real cluster',
      args: [],
      hasCluster: true,
      special: [/cache +a real Varnish \(\/.*varnishd\) at http/, ...readOfYours],
    },
    {
      title: 'without them',
      args: ['--without-varnish'],
      hasCluster: false,
      special: [
        /cache +a stand-in for Varnish \(as asked for\) at http/,
        /cluster +a stand-in for Kubernetes \(the default kubeconfig cannot be used: .*\) at http/,
        ...rollOut,
      ],
    },
  ]) {
    test(`${title} shows all that it promises in plain text, ends with 0 and leaves nothing behind`, async () => {
      const env = hasCluster ? { KUBECONFIG: readerKubeconfig } : undefined;
      const { stdout, stderr, exitCode } = await start(args, env).ended;
      assert.equal(exitCode, 0, stdout + stderr);
      assert.equal(stderr, '');
      for (const line of [...promised, ...special]) assert.match(stdout, line);
      assert.ok(!stdout.includes(escapeCode), 'a pipe gets no escape codes');
      assert.deepEqual(await leftovers(), []);
    });
  }

  test('is coloured where FORCE_COLOR asks for it, and ends with 130 on Ctrl-C, with everything put away', async () => {
    const { child, ended } = start(['--without-varnish', '--without-cluster'], { FORCE_COLOR: '1' });
    let shown = '';
    let isInterrupted = false;
    child.stdout.on('data', (piece: Buffer) => {
      shown += piece.toString();
      // Once: a second Ctrl-C ends it on the spot.
      if (!isInterrupted && shown.includes('is answered with 201')) isInterrupted = child.kill('SIGINT');
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
