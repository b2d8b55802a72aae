import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Fault } from '../support/github/faults.ts';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type KillPoint, killPoints, type ServerProgramOptions } from './server-program.ts';

/** What GitHub does to the first dispatch, or how it is. */
export const conditions = {
  'names the run': {},
  'names no run (204)': { ghes: '3.20' },
  'accepts, then answers 502': { fault: { kind: 'accept-then-502' } },
  'accepts, then resets': { fault: { kind: 'accept-then-reset' } },
  'accepts, then hangs': { fault: { kind: 'accept-then-hang' } },
  'accepts, and answers HTML': { fault: { kind: 'html-200' } },
  'accepts, and lists the run late': { fault: { kind: 'accept-then-502' }, listLagMs: 700 },
  'does nothing, and answers 502': { fault: { kind: 'reject-502' } },
  'does nothing, and resets': { fault: { kind: 'reset-before' } },
  'asks to slow down (429)': { fault: { kind: '429', retryAfterSeconds: 1 } },
  'asks to slow down (403)': { fault: { kind: '403-secondary', retryAfterSeconds: 1 } },
} as const satisfies Record<string, { fault?: Fault; ghes?: string; listLagMs?: number }>;
export type Condition = keyof typeof conditions;

export interface KillCase {
  readonly killAt: KillPoint;
  readonly condition: Condition;
  /** Whether the workflow shows our mark in its run's name. */
  readonly isMarked: boolean;
}

export interface KillResult {
  readonly state: string;
  readonly reason: string | undefined;
  readonly message: string;
  readonly dispatches: number;
}

export const killCases: readonly KillCase[] = killPoints.flatMap((killAt) =>
  (Object.keys(conditions) as Condition[]).flatMap((condition) =>
    [true, false].map((isMarked) => ({ killAt, condition, isMarked })),
  ),
);

/** Undefined where the execution ended right: at most one run, and exactly one unless it says Uncertain. */
export function wrongIn({ state, reason, dispatches, message }: KillResult): string | undefined {
  const story = `${state} ${reason ?? ''} (${message}) after ${dispatches} dispatches`;
  if (dispatches > 1) return `sent twice: ${story}`;
  if (state === 'succeeded') return dispatches === 1 ? undefined : `succeeded without a run: ${story}`;
  return reason === 'Uncertain' ? undefined : `ended wrong: ${story}`;
}

/** Starts the server, lets it kill itself at the point, starts it again, and waits for the end of the execution. */
export async function runKillCase({ killAt, condition, isMarked }: KillCase): Promise<KillResult> {
  const { fault, ghes, listLagMs }: { fault?: Fault; ghes?: string; listLagMs?: number } = conditions[condition];
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-kill-'));
  const gitHub = await startGitHubStandIn({
    repositories: [{ fullName: 'acme/shop', workflows: [workflow(isMarked)] }],
    ...(ghes === undefined ? {} : { ghes }),
    ...(listLagMs === undefined ? {} : { listLagMs }),
  });
  const servers: ChildProcess[] = [];
  try {
    if (fault !== undefined) gitHub.fault('dispatch', fault);
    const config = await writeConfig(folder, gitHub);
    const first = await startServer(servers, { config, killAt });
    // The server may be gone before its answer is.
    await put(first.url, isMarked).catch(() => undefined);
    // It may also end before it comes to the point: a dispatch that never happened has no run to wait for.
    await Promise.race([first.died, waitForEnd(first.url).catch(() => first.died)]);
    first.kill();
    await first.died;
    const second = await startServer(servers, { config });
    const execution = await waitForEnd(second.url);
    return { ...execution, dispatches: gitHub.dispatches() };
  } finally {
    for (const server of servers) server.kill('SIGKILL');
    await gitHub.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function workflow(isMarked: boolean) {
  const plan = [
    { status: 'queued', forMs: 150 },
    { status: 'in_progress', forMs: 150 },
    { status: 'completed', conclusion: 'success' },
  ];
  if (!isMarked) return { file: 'smoke.yml', plan };
  const on = { workflow_dispatch: { inputs: { mark: {} } } };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's expressions look like that.
  return { file: 'smoke.yml', plan, on, runName: 'smoke ${{ inputs.mark }}' };
}

async function writeConfig(folder: string, gitHub: GitHubStandIn): Promise<string> {
  const config = join(folder, 'aftersync.yaml');
  await writeFile(join(folder, 'token'), `${STAND_IN_TOKEN}\n`);
  await writeFile(
    config,
    `server: { address: "127.0.0.1:0" }
store: { path: ./store.db }
log: { level: warn }
connections:
  - name: github
    type: github
    baseUrl: ${gitHub.url}
    auth: { tokenFile: ./token }
    sendTimeout: 400ms
    discoverFor: 2500ms
    pollInterval: 100ms
`,
  );
  return config;
}

async function startServer(servers: ChildProcess[], options: ServerProgramOptions) {
  const program = fileURLToPath(new URL('./server-program.ts', import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(child);
  const died = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('{"url"')) {
      child.stdout.resume();
      return { url: (JSON.parse(line) as { url: string }).url, died, kill: () => child.kill('SIGKILL') };
    }
  }
  throw new Error('the server ended before it served');
}

async function put(url: string, isMarked: boolean): Promise<void> {
  const correlation = isMarked ? { correlation: { input: 'mark' } } : {};
  const response = await fetch(`${url}/v1/executions/one`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      step: 'trigger-github-action',
      with: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main', ...correlation },
      timeout: '10m',
    }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

async function waitForEnd(url: string): Promise<{ state: string; reason: string | undefined; message: string }> {
  for (;;) {
    const response = await fetch(`${url}/v1/executions/one?wait=60s`);
    const { state, reason, message } = (await response.json()) as Record<string, string>;
    if (state === 'running' || state === 'pending') continue;
    return { state: state ?? `HTTP ${response.status}`, reason, message: message ?? '' };
  }
}
