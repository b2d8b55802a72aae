import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ControlCommand } from './control.ts';
import { STAND_IN_TOKEN } from './options.ts';
import type { RecordedRequest } from './request-log.ts';
import type { RunSummary } from './run-summary.ts';

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly controlUrl: string;
}

async function start(): Promise<Running> {
  const options = { repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }] };
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, ...JSON.parse(line) };
}

let running: Running;
before(async () => {
  running = await start();
});
after(() => running.child.kill());
beforeEach(() => command({ command: 'reset' }));

interface ControlReply {
  readonly status: number;
  readonly body: {
    readonly message: string;
    readonly runs: readonly RunSummary[];
    readonly requests: readonly RecordedRequest[];
    readonly dispatches: number;
  } & Partial<RecordedRequest>;
}

async function command(order: ControlCommand | { command: string }): Promise<ControlReply> {
  const response = await fetch(running.controlUrl, { method: 'POST', body: JSON.stringify(order) });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

function dispatch(): Promise<Response> {
  return fetch(`${running.url}/repos/acme/shop/actions/workflows/smoke.yml/dispatches`, {
    method: 'POST',
    headers: { authorization: `Bearer ${STAND_IN_TOKEN}` },
    body: JSON.stringify({ ref: 'main' }),
  });
}

test('another process can plan, start, set and read runs', async () => {
  await command({ command: 'plan', repository: 'acme/shop', workflow: 'smoke.yml', plan: [{ status: 'waiting' }] });
  assert.equal((await dispatch()).status, 204);
  const { body } = await command({ command: 'state' });
  assert.deepEqual([body.dispatches, body.runs[0]?.status, body.requests[0]?.outcome], [1, 'waiting', 204]);
  const id = body.runs[0]?.id ?? 0;
  await command({ command: 'setRun', id, status: 'completed', conclusion: 'success' });
  assert.equal((await command({ command: 'state' })).body.runs[0]?.conclusion, 'success');
});

test('another process can make requests fail, hide new runs, and wait for a request', async () => {
  await command({ command: 'fault', route: 'dispatch', fault: { kind: 'accept-then-502' } });
  await command({ command: 'listLag', ms: 3_600_000 });
  const second = command({ command: 'waitForRequest', route: 'dispatch', count: 2 });
  assert.equal((await dispatch()).status, 502);
  assert.equal((await dispatch()).status, 204);
  assert.equal((await second).body.route, 'dispatch');
  const list = await fetch(`${running.url}/repos/acme/shop/actions/runs`, {
    headers: { authorization: `Bearer ${STAND_IN_TOKEN}` },
  });
  assert.equal(JSON.parse(await list.text()).total_count, 0);
  assert.equal((await command({ command: 'state' })).body.dispatches, 2);
});

test('a command that makes no sense is refused with the reason', async () => {
  const cases: readonly [order: ControlCommand | { command: string }, message: RegExp][] = [
    [{ command: 'dance' }, /not one of the commands fault, listLag, plan, reset, setRun, state, waitForRequest/],
    [{ command: 'setRun', id: 1, status: 'queued' }, /no run 1/],
    [{ command: 'fault', route: 'other', fault: { kind: '500' } }, /no route 'other'; there are .*dispatch/],
    [{ command: 'plan', repository: 'acme/shop', workflow: 'other.yml', plan: [] }, /no workflow other\.yml/],
  ];
  for (const [order, message] of cases) {
    const { status, body } = await command(order);
    assert.equal(status, 400);
    assert.match(body.message, message);
  }
});

for (const [title, stop] of [
  ['its standard input closes', (child: ChildProcess) => child.stdin?.end()],
  ['SIGTERM', (child: ChildProcess) => child.kill('SIGTERM')],
] as const) {
  test(`it ends by itself at ${title}, with connections open`, async (t) => {
    const { child, url } = await start();
    t.after(() => child.kill('SIGKILL'));
    await (await fetch(`${url}/user`)).text();
    const ended = once(child, 'exit');
    stop(child);
    assert.deepEqual(await ended, [0, null]);
  });
}
