import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import pino from 'pino';
import { loadConfig } from '../../src/config.ts';
import type { HttpFetch } from '../../src/core/connection.ts';
import { connectionTypes, serve } from '../../src/main.ts';
import { steps } from '../../src/steps/index.ts';
import { eventually } from '../support/eventually.ts';
import { STAND_IN_TOKEN, type StandInOptions } from '../support/github/options.ts';
import { startGitHubStandIn } from '../support/github/stand-in.ts';
import { ManualClock } from '../support/manual-clock.ts';

const plan = [
  { status: 'queued', forMs: 5_000 },
  { status: 'in_progress', forMs: 20_000 },
  { status: 'completed', conclusion: 'success' },
];

/** The server on loopback, a GitHub, and one clock for both. */
async function openTickBench(t: TestContext, slowMs: number, options: StandInOptions) {
  const clock = new ManualClock();
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-ticks-'));
  const gitHub = await startGitHubStandIn({
    clock,
    repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml', plan }] }],
    ...options,
  });
  await writeFile(join(folder, 'token'), STAND_IN_TOKEN);
  await writeFile(
    join(folder, 'aftersync.yaml'),
    `server: { address: "127.0.0.1:0" }
store: { path: ":memory:" }
connections: [{ name: github, type: github, baseUrl: "${gitHub.url}", auth: { tokenFile: ./token } }]
`,
  );
  const config = await loadConfig({
    path: join(folder, 'aftersync.yaml'),
    cwd: folder,
    connectionTypes,
    steps,
    env: {},
  });
  if (slowMs > 0) gitHub.fault('dispatch', { kind: 'slow', forMs: slowMs });
  let asking = 0;
  const wrapFetch =
    (fetch: HttpFetch): HttpFetch =>
    async (request) => {
      asking += 1;
      return await fetch(request).finally(() => {
        asking -= 1;
      });
    };
  const server = await serve(config, { clock, log: pino({ level: 'silent' }), wrapFetch });
  t.after(async () => {
    await server.close();
    await gitHub.close();
    await rm(folder, { recursive: true });
  });

  /** How much goes on: advances, and what is asked of GitHub. */
  async function busy(): Promise<number> {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    const [queued, advancing] = ['queued', 'advancing'].map((name) =>
      Number(new RegExp(`^aftersync_executions_${name} (\\d+)$`, 'm').exec(metrics)?.[1]),
    );
    return Math.max(Number(queued) + Number(advancing), asking);
  }

  /** What has been set off has ended, but for a dispatch whose answer GitHub holds back. */
  async function untilQuiet(): Promise<void> {
    const isHeldBack = () => gitHub.requests.some(({ route, at }) => route === 'dispatch' && clock.now() < at + slowMs);
    await eventually(busy, (count) => count === (isHeldBack() ? 1 : 0));
  }

  return { clock, gitHub, url: server.url, untilQuiet };
}

/** One tick of KubeVela's engine: the step's call is sent again, as it stands in the definition. */
async function tick(url: string): Promise<{ state: string; outputs: { runId?: number } }> {
  const response = await fetch(`${url}/v1/executions/ab12cd34ef`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      step: 'trigger-github-action',
      with: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
      origin: { kind: 'Application', namespace: 'default', name: 'shop', step: 'smoke', sessionID: 'ab12cd34ef' },
    }),
  });
  assert.ok(response.ok, `${response.status}`);
  return (await response.json()) as { state: string; outputs: { runId?: number } };
}

// By the recipe of KubeVela's built-in `request` step the same ticks start two runs and eleven: facts/kubevela.md, "Tried".
for (const [name, options, slowMs] of [
  ['answers 204 without a body', { ghes: '3.20' }, 0],
  ['answers only after four seconds', {}, 4_000],
] as const) {
  test(`a step that is asked for every second starts one run when GitHub ${name}`, async (t) => {
    const { clock, gitHub, url, untilQuiet } = await openTickBench(t, slowMs, options);
    let state = '';
    let runId: number | undefined;
    for (let second = 0; second < 90 && state !== 'succeeded'; second++) {
      ({
        state,
        outputs: { runId },
      } = await tick(url));
      await untilQuiet();
      clock.advance(1_000);
    }
    assert.equal(state, 'succeeded');
    assert.equal(gitHub.dispatches(), 1);
    assert.equal(runId, gitHub.runs[0]?.id);
  });
}
