import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../manual-clock.ts';
import { ask, dispatch, type Reply } from './ask.ts';
import type { Fault } from './faults.ts';
import type { StandInOptions } from './options.ts';
import { type GitHubStandIn, startGitHubStandIn } from './stand-in.ts';

const options: StandInOptions = {
  repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }, { file: 'other.yml' }] }],
};

function dispatchFaulty(standIn: GitHubStandIn): Promise<Reply> {
  return ask(standIn, 'dispatch', { body: { ref: 'main' }, faulty: true });
}

interface Case {
  readonly fault: Fault;
  /** Whether the request is carried out. */
  readonly starts: boolean;
  readonly outcome: number | 'reset' | 'truncate';
  readonly text?: RegExp;
  readonly headers?: Readonly<Record<string, string | null>>;
}

const CASES: readonly Case[] = [
  { fault: { kind: 'accept-then-502' }, starts: true, outcome: 502, text: /^<!DOCTYPE html>/ },
  { fault: { kind: 'accept-then-reset' }, starts: true, outcome: 'reset' },
  { fault: { kind: 'truncated-200' }, starts: true, outcome: 'truncate' },
  { fault: { kind: 'html-200' }, starts: true, outcome: 200, text: /^<!DOCTYPE html>/ },
  { fault: { kind: 'html-200', accepted: false }, starts: false, outcome: 200, text: /^<!DOCTYPE html>/ },
  { fault: { kind: 'broken-json-200' }, starts: true, outcome: 200, text: /^\{[^}]+$/ },
  { fault: { kind: '200-with-error-inside' }, starts: true, outcome: 200, text: /"errors":/ },
  { fault: { kind: 'empty-200' }, starts: true, outcome: 200, text: /^$/ },
  { fault: { kind: 'reject-502' }, starts: false, outcome: 502, text: /^<!DOCTYPE html>/ },
  { fault: { kind: 'reset-before' }, starts: false, outcome: 'reset' },
  { fault: { kind: '500' }, starts: false, outcome: 500, text: /Server Error/ },
  { fault: { kind: '429' }, starts: false, outcome: 429, headers: { 'retry-after': '60' } },
  { fault: { kind: '429', retryAfterSeconds: null }, starts: false, outcome: 429, headers: { 'retry-after': null } },
  {
    fault: { kind: '403-secondary', retryAfterSeconds: 7 },
    starts: false,
    outcome: 403,
    text: /You have exceeded a secondary rate limit/,
    headers: { 'retry-after': '7', 'x-ratelimit-remaining': null },
  },
  {
    fault: { kind: '403-primary', resetInSeconds: 90 },
    starts: false,
    outcome: 403,
    text: /API rate limit exceeded/,
    headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.UTC(2026, 10, 21, 2, 1, 30) / 1000) },
  },
];

for (const { fault, starts, outcome, text, headers = {} } of CASES) {
  test(`fault ${JSON.stringify(fault)}: ${starts ? 'the run starts' : 'nothing starts'}, and the next call is well`, async () => {
    await using standIn = await startGitHubStandIn({ ...options, clock: new ManualClock() });
    const handle = standIn.fault('dispatch', fault);
    if (typeof outcome === 'number') {
      const reply = await dispatchFaulty(standIn);
      assert.equal(reply.status, outcome);
      if (text !== undefined) assert.match(reply.text, text);
      for (const [name, value] of Object.entries(headers)) assert.equal(reply.headers.get(name), value, name);
    } else {
      await assert.rejects(dispatchFaulty(standIn));
    }
    assert.equal(standIn.dispatches(), starts ? 1 : 0);
    assert.equal(standIn.requests[0]?.outcome, outcome);
    assert.equal(handle.hits, 1);
    assert.ok(await dispatch(standIn));
    assert.equal(handle.hits, 1);
  });
}

for (const { kind, starts } of [
  { kind: 'accept-then-hang', starts: true },
  { kind: 'hang-before', starts: false },
] as const) {
  test(`fault ${kind}: no answer ever comes, ${starts ? 'but the run starts' : 'and nothing starts'}`, async () => {
    await using standIn = await startGitHubStandIn(options);
    standIn.fault('dispatch', { kind });
    const asked = assert.rejects(dispatchFaulty(standIn));
    await standIn.waitForRequest(({ route }) => route === 'dispatch');
    assert.equal(standIn.dispatches(), starts ? 1 : 0);
    assert.equal(standIn.requests[0]?.outcome, 'hang');
    // Only the end of the server ends the wait.
    await standIn.close();
    await asked;
  });
}

test('fault slow: the run starts at once, the answer comes when the time is over', async () => {
  const clock = new ManualClock();
  await using standIn = await startGitHubStandIn({ ...options, clock });
  standIn.fault('dispatch', { kind: 'slow', forMs: 30_000 });
  let answered = false;
  const asked = dispatch(standIn).finally(() => {
    answered = true;
  });
  await standIn.waitForRequest(({ route }) => route === 'dispatch');
  assert.equal(standIn.dispatches(), 1);
  clock.advance(29_999);
  // A full exchange on another connection: an answer sent early would be there by now.
  await ask(standIn, 'getUser');
  assert.equal(answered, false);
  clock.advance(1);
  assert.equal(await asked, standIn.runs[0]?.id);
});

test('a fault hits as often as told, after as many as told, and only what it is aimed at', async () => {
  await using standIn = await startGitHubStandIn(options);
  const aim = {
    kind: '500',
    times: 2,
    skip: 1,
    when: ({ path }: { path: string }) => path.includes('smoke.yml'),
  } as const;
  const handle = standIn.fault('any', aim);
  const statuses: number[] = [];
  for (const workflow_id of ['smoke.yml', 'other.yml', 'smoke.yml', 'other.yml', 'smoke.yml', 'smoke.yml']) {
    statuses.push((await ask(standIn, 'getWorkflow', { with: { workflow_id }, faulty: true })).status);
  }
  assert.deepEqual(statuses, [200, 200, 500, 200, 500, 200]);
  assert.equal(handle.hits, 2);
});

test('faults of one route hit in the order they were made, leave other routes alone, and can be taken back', async () => {
  await using standIn = await startGitHubStandIn(options);
  standIn.fault('dispatch', { kind: 'reject-502' });
  standIn.fault('dispatch', { kind: '429' });
  standIn.fault('dispatch', { kind: '500', times: Infinity }).remove();
  assert.equal((await ask(standIn, 'getUser')).status, 200);
  const statuses = [await dispatchFaulty(standIn), await dispatchFaulty(standIn), await dispatchFaulty(standIn)];
  assert.deepEqual(
    statuses.map(({ status }) => status),
    [502, 429, 200],
  );
});

test('a truncated answer breaks off in the middle of what was promised, with or without a body of its own', async () => {
  await using standIn = await startGitHubStandIn(options);
  for (const apiVersion of ['2026-03-10', '2022-11-28']) {
    standIn.fault('dispatch', { kind: 'truncated-200' });
    const asked = ask(standIn, 'dispatch', { body: { ref: 'main' }, apiVersion, faulty: true });
    await assert.rejects(asked, /terminated/);
  }
  assert.equal(standIn.dispatches(), 2);
});

test('requests are kept as they came, and can be waited for, past ones too', async () => {
  await using standIn = await startGitHubStandIn(options);
  const coming = standIn.waitForRequest(({ method }) => method === 'POST');
  await ask(standIn, 'listRuns', { query: 'event=push' });
  await dispatch(standIn, { headers: { 'x-mine': 'yes' } });
  const posted = await coming;
  assert.equal(posted.path, '/repos/acme/shop/actions/workflows/smoke.yml/dispatches');
  assert.deepEqual([posted.body, posted.headers['x-mine'], posted.outcome], ['{"ref":"main"}', 'yes', 200]);
  assert.equal(await standIn.waitForRequest(({ route }) => route === 'dispatch'), posted);
  assert.deepEqual(standIn.requests.map(({ path }) => path)[0], '/repos/acme/shop/actions/runs?event=push');
});

test('reset forgets runs, requests and faults; close ends a wait that cannot be fulfilled any more', async () => {
  await using standIn = await startGitHubStandIn(options);
  await dispatch(standIn);
  standIn.fault('dispatch', { kind: '500' });
  standIn.reset();
  assert.deepEqual([standIn.runs.length, standIn.requests.length], [0, 0]);
  assert.ok(await dispatch(standIn));
  const waiting = assert.rejects(
    standIn.waitForRequest(() => false),
    /closed before/,
  );
  await standIn.close();
  await waiting;
});
