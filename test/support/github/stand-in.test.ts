import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../manual-clock.ts';
import { ask, dispatch } from './ask.ts';
import type { StandInOptions } from './options.ts';
import { startGitHubStandIn } from './stand-in.ts';

const MINUTE_MS = 60_000;
const repositories: StandInOptions['repositories'] = [
  {
    fullName: 'acme/shop',
    defaultBranch: 'trunk',
    refs: ['main'],
    workflows: [
      {
        file: 'smoke.yml',
        name: 'Smoke',
        plan: [
          { status: 'queued', forMs: MINUTE_MS },
          { status: 'in_progress', forMs: MINUTE_MS },
          { status: 'completed', conclusion: 'success' },
        ],
        jobs: [
          { name: 'build', steps: ['Compile'] },
          { name: 'test', steps: ['Set up', 'Run tests', 'Report'], failingStep: 'Run tests' },
        ],
        artifacts: [{ name: 'outputs' }, { name: 'old', expired: true }],
      },
    ],
  },
];

test('a run goes through its plan as time passes', async () => {
  const clock = new ManualClock();
  await using standIn = await startGitHubStandIn({ repositories, clock });
  const id = await dispatch(standIn);
  const seen: unknown[] = [];
  for (const spanMs of [0, MINUTE_MS - 1, 1, MINUTE_MS]) {
    clock.advance(spanMs);
    const { body } = await ask(standIn, 'getRun', { with: { run_id: id } });
    seen.push([body.status, body.conclusion, body.updated_at]);
  }
  assert.deepEqual(seen, [
    ['queued', null, '2026-11-21T02:00:00Z'],
    ['queued', null, '2026-11-21T02:00:00Z'],
    ['in_progress', null, '2026-11-21T02:01:00Z'],
    ['completed', 'success', '2026-11-21T02:02:00Z'],
  ]);
});

test('a new plan holds for the runs that start after it', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  await dispatch(standIn);
  standIn.workflow('acme/shop', 'smoke.yml').plan = [{ status: 'waiting' }];
  await dispatch(standIn);
  assert.deepEqual(
    standIn.runs.map(({ status }) => status),
    ['queued', 'waiting'],
  );
  assert.throws(() => standIn.workflow('acme/shop', 'other.yml'), /no workflow other\.yml/);
});

test('setRun overrules the plan, and a re-run keeps its id with a new attempt', async () => {
  const clock = new ManualClock();
  await using standIn = await startGitHubStandIn({ repositories, clock });
  const id = await dispatch(standIn);
  standIn.setRun(id, { status: 'completed', conclusion: 'failure' });
  clock.advance(10 * MINUTE_MS);
  assert.equal((await ask(standIn, 'getRun', { with: { run_id: id } })).body.conclusion, 'failure');
  standIn.setRun(id, { status: 'queued', runAttempt: 2 });
  const { body } = await ask(standIn, 'getRun', { with: { run_id: id } });
  assert.deepEqual([body.run_attempt, body.status, body.conclusion], [2, 'queued', null]);
  assert.deepEqual([body.created_at, body.run_started_at], ['2026-11-21T02:00:00Z', '2026-11-21T02:10:00Z']);
  assert.throws(() => standIn.setRun(1, { status: 'queued' }), /no run 1/);
});

test('the jobs of a failed run name the job and the step that failed', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const id = await dispatch(standIn);
  standIn.setRun(id, { status: 'completed', conclusion: 'failure' });
  const { body } = await ask(standIn, 'listJobs', { with: { run_id: id } });
  assert.deepEqual(
    body.jobs.map(({ name, conclusion }) => [name, conclusion]),
    [
      ['build', 'success'],
      ['test', 'failure'],
    ],
  );
  assert.deepEqual(
    body.jobs[1]?.steps.map(({ conclusion }) => conclusion),
    ['success', 'failure', 'skipped'],
  );
});

test('a run that could not start has no jobs, and artifacts come with the end of a run', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const id = await dispatch(standIn);
  assert.equal((await ask(standIn, 'listArtifacts', { with: { run_id: id } })).body.total_count, 0);
  standIn.setRun(id, { status: 'completed', conclusion: 'startup_failure' });
  assert.equal((await ask(standIn, 'listJobs', { with: { run_id: id } })).body.total_count, 0);
  standIn.setRun(id, { status: 'completed', conclusion: 'success' });
  const { body } = await ask(standIn, 'listArtifacts', { with: { run_id: id } });
  assert.deepEqual(
    body.artifacts.map(({ name, expired }) => [name, expired]),
    [
      ['outputs', false],
      ['old', true],
    ],
  );
  const one = await ask(standIn, 'listArtifacts', { with: { run_id: id }, query: 'name=outputs' });
  assert.deepEqual([one.body.total_count, one.body.artifacts.length], [1, 1]);
});

test('cancel is accepted at once and ends the run later; a completed run refuses it', async () => {
  const clock = new ManualClock();
  await using standIn = await startGitHubStandIn({ repositories, clock });
  standIn.workflow('acme/shop', 'smoke.yml').cancelTakesMs = 5_000;
  const at = { with: { run_id: await dispatch(standIn) } };
  clock.advance(MINUTE_MS);
  assert.equal((await ask(standIn, 'cancel', at)).status, 202);
  assert.equal((await ask(standIn, 'getRun', at)).body.status, 'in_progress');
  clock.advance(5_000);
  assert.equal((await ask(standIn, 'getRun', at)).body.conclusion, 'cancelled');
  for (const route of ['cancel', 'forceCancel'] as const) {
    const { status, body } = await ask(standIn, route, at);
    assert.deepEqual([status, body.message], [409, 'Cannot cancel a workflow run that is completed.']);
  }
});

test('a run that ignores cancel is ended by force-cancel', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  standIn.workflow('acme/shop', 'smoke.yml').ignoresCancel = true;
  const at = { with: { run_id: await dispatch(standIn) } };
  assert.equal((await ask(standIn, 'cancel', at)).status, 202);
  assert.equal((await ask(standIn, 'getRun', at)).body.status, 'queued');
  assert.equal((await ask(standIn, 'forceCancel', at)).status, 202);
  assert.equal((await ask(standIn, 'getRun', at)).body.conclusion, 'cancelled');
});
