import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import { listenOnLoopback } from '../../support/listen.ts';
import { startClusterWithExecutions } from './cluster.ts';

const program = new URL('stopping-program.ts', import.meta.url).pathname;
/** Short, since it is waited for, but no busy machine lets it lapse before its time, which would repeat the purge. */
const leaseMs = 4_000;
const path = '/apis/aftersync.dev/v1alpha1/namespaces/default/stepexecutions/stopped';

test('a holder that is stopped between intent and send, past its lease, and goes on, does not send', async (t) => {
  const cluster = await startClusterWithExecutions(['default']);
  t.after(() => cluster.close());
  const purges: string[] = [];
  const cache = await listenOnLoopback(
    createServer((request, response) => {
      purges.push(request.method ?? '');
      response.writeHead(200, { 'x-purge': 'done' }).end();
    }),
  );
  t.after(() => cache.close());
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-stopped-'));
  t.after(() => rm(folder, { recursive: true }));
  const config = join(folder, 'aftersync.yaml');
  await writeFile(
    config,
    `server: { address: "127.0.0.1:0" }
store: { type: kubernetes, leaseDuration: ${leaseMs}ms }
connections:
  - { name: cluster, type: kubernetes, kubeconfigFile: ${cluster.adminKubeconfigPath} }
  - { name: edge, type: varnish, endpoints: ["${cache.url}"], sendTimeout: 5s }
`,
  );
  const child = spawn(process.execPath, [program, config], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines: { readonly msg: string; readonly url?: string }[] = [];
  createInterface(child.stdout).on('line', (line) => void lines.push(JSON.parse(line)));
  const said = (msg: string, times = 1) =>
    eventually(
      async () => {
        await pause(10);
        return lines.filter((line) => line.msg === msg);
      },
      (found) => found.length >= times,
    );
  const status = async () => {
    const { body } = await cluster.request({ method: 'GET', path });
    return (body as { readonly status?: { readonly state: string; readonly holder: string } }).status;
  };

  const [serving] = await said('serving');
  const answer = await fetch(`${serving?.url}/v1/executions/stopped`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ step: 'purge-cdn', with: { urls: ['http://www.example.com/a'] } }),
  });
  assert.equal(answer.status, 201);
  // The state follows the program's name, in parentheses.
  await eventually(
    () => readFile(`/proc/${child.pid}/stat`, 'utf8'),
    (stat) => stat.split(') ')[1]?.startsWith('T') === true,
  );
  const before = await status();
  assert.equal(before?.state, 'running');
  await pause(leaseMs * 1.5);
  child.kill('SIGCONT');
  await said('joined the replicas', 2);
  // It takes the purge over from itself, under its new name: that is the only one that is ever sent.
  const ended = await eventually(status, (seen) => seen?.state === 'succeeded');
  assert.notEqual(ended?.holder, before?.holder);
  assert.deepEqual(purges, ['PURGE']);
});
