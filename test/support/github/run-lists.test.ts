import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Octokit } from '@octokit/rest';
import { ManualClock } from '../manual-clock.ts';
import { ask, dispatch } from './ask.ts';
import { STAND_IN_TOKEN, type StandInOptions } from './options.ts';
import { type GitHubStandIn, startGitHubStandIn } from './stand-in.ts';

const MINUTE_MS = 60_000;
const options: StandInOptions = {
  tokens: [
    { token: STAND_IN_TOKEN, login: 'octocat' },
    { token: 'robot-token', login: 'shop-bot[bot]' },
  ],
  repositories: [
    {
      fullName: 'acme/shop',
      refs: ['release'],
      workflows: [
        // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's expression, as in a workflow file
        { file: 'smoke.yml', on: { workflow_dispatch: { inputs: { n: {} } } }, runName: '${{ inputs.n }}' },
        { file: 'other.yml', name: 'other', on: { workflow_dispatch: {}, repository_dispatch: {} } },
      ],
    },
  ],
};

async function titles(standIn: GitHubStandIn, query = ''): Promise<string[]> {
  const { body } = await ask(standIn, 'listRuns', { query });
  assert.equal(body.total_count, body.workflow_runs.length);
  return body.workflow_runs.map(({ display_title }) => display_title);
}

function numbered(n: number) {
  return { body: { ref: 'main', inputs: { n: String(n) } } };
}

test('lists give the newest run first, of the repository or of one workflow', async () => {
  await using standIn = await startGitHubStandIn(options);
  await dispatch(standIn, numbered(1));
  await dispatch(standIn, { with: { workflow_id: 'other.yml' } });
  await dispatch(standIn, numbered(2));
  assert.deepEqual(await titles(standIn), ['2', 'other', '1']);
  const { body } = await ask(standIn, 'listWorkflowRuns');
  assert.deepEqual(
    body.workflow_runs.map(({ display_title }) => display_title),
    ['2', '1'],
  );
});

test('lists are filtered by actor, branch, event, status or conclusion, and commit', async () => {
  await using standIn = await startGitHubStandIn(options);
  const first = await dispatch(standIn, numbered(1));
  await dispatch(standIn, { body: { ref: 'release', inputs: { n: '2' } }, token: 'robot-token' });
  await ask(standIn, 'repositoryDispatch', { body: { event_type: 'deployed' } });
  standIn.setRun(first, { status: 'completed', conclusion: 'failure' });
  const { head_sha } = (await ask(standIn, 'getRun', { with: { run_id: first } })).body;
  const cases: Readonly<Record<string, readonly string[]>> = {
    'actor=octocat': ['deployed', '1'],
    'actor=shop-bot%5Bbot%5D': ['2'],
    'branch=release': ['2'],
    'event=workflow_dispatch': ['2', '1'],
    'event=repository_dispatch': ['deployed'],
    'status=queued': ['deployed', '2'],
    'status=completed': ['1'],
    'status=failure': ['1'],
    'status=success': [],
    [`head_sha=${head_sha}`]: ['deployed', '1'],
    'event=workflow_dispatch&branch=main': ['1'],
  };
  for (const [query, expected] of Object.entries(cases))
    assert.deepEqual(await titles(standIn, query), expected, query);
});

test('lists are filtered by the time of creation, which has whole seconds only', async () => {
  const clock = new ManualClock(Date.UTC(2026, 10, 21, 23, 59, 0, 900));
  await using standIn = await startGitHubStandIn({ ...options, clock });
  for (const n of [1, 2, 3]) {
    await dispatch(standIn, numbered(n));
    clock.advance(MINUTE_MS);
  }
  // Created at 23:59:00, 00:00:00 and 00:01:00.
  const cases: Readonly<Record<string, readonly string[]>> = {
    '>=2026-11-22T00:00:00Z': ['3', '2'],
    '>2026-11-22T00:00:00Z': ['3'],
    '<=2026-11-22T00:00:00Z': ['2', '1'],
    '<2026-11-22T00:00:00Z': ['1'],
    '2026-11-22T00:00:00Z': ['2'],
    '2026-11-21': ['1'],
    '>2026-11-21': ['3', '2'],
    '<=2026-11-21': ['1'],
    '2026-11-21T23:00:00Z..2026-11-22T00:00:00Z': ['2', '1'],
    '2026-11-22..*': ['3', '2'],
    '*..2026-11-21': ['1'],
    '>=2026-11-22T01:00:00+01:00': ['3', '2'],
    'no date': [],
  };
  for (const [created, expected] of Object.entries(cases)) {
    assert.deepEqual(await titles(standIn, `created=${encodeURIComponent(created)}`), expected, created);
  }
});

test('a new run is missing from lists for the lag, and found by its id at once', async () => {
  const clock = new ManualClock();
  await using standIn = await startGitHubStandIn({ ...options, clock, listLagMs: 3_000 });
  const id = await dispatch(standIn, numbered(1));
  assert.equal((await ask(standIn, 'getRun', { with: { run_id: id } })).status, 200);
  clock.advance(2_999);
  assert.deepEqual(await titles(standIn), []);
  clock.advance(1);
  assert.deepEqual(await titles(standIn), ['1']);
  standIn.listLagMs = 10_000;
  assert.deepEqual(await titles(standIn), []);
});

test('lists can lose a run for good', async () => {
  await using standIn = await startGitHubStandIn(options);
  const id = await dispatch(standIn, numbered(1));
  standIn.setRun(id, { listed: false });
  assert.deepEqual(await titles(standIn), []);
  assert.equal((await ask(standIn, 'getRun', { with: { run_id: id } })).body.status, 'queued');
});

test('a page holds 30 runs unless asked for up to 100, and Link leads to the others', async () => {
  await using standIn = await startGitHubStandIn(options);
  for (let n = 1; n <= 101; n += 1) await dispatch(standIn, numbered(n));
  const first = await ask(standIn, 'listRuns');
  assert.deepEqual([first.body.total_count, first.body.workflow_runs.length], [101, 30]);
  assert.match(
    first.headers.get('link') ?? '',
    /\/repositories\/\d+\/actions\/runs\?page=2>; rel="next", .*page=4>; rel="last"$/,
  );

  const most = await ask(standIn, 'listRuns', { query: 'per_page=500&event=workflow_dispatch' });
  assert.equal(most.body.workflow_runs.length, 100);
  const last = await ask(standIn, 'listRuns', { query: 'per_page=100&page=2' });
  assert.deepEqual(
    last.body.workflow_runs.map(({ display_title }) => display_title),
    ['1'],
  );
  assert.match(last.headers.get('link') ?? '', /page=1>; rel="prev", .*page=1>; rel="first"$/);
  const beyond = await ask(standIn, 'listRuns', { query: 'page=9' });
  assert.deepEqual([beyond.body.total_count, beyond.body.workflow_runs.length], [101, 0]);
  assert.equal((await ask(standIn, 'listRuns', { query: 'per_page=100&branch=release' })).headers.has('link'), false);
});

for (const ghes of [undefined, '3.20']) {
  test(`Octokit follows the pages to the end (${ghes ?? 'github.com'})`, async () => {
    await using standIn = await startGitHubStandIn({ ...options, ...(ghes === undefined ? {} : { ghes }) });
    const octokit = new Octokit({ baseUrl: standIn.url, auth: STAND_IN_TOKEN });
    for (let n = 1; n <= 5; n += 1) {
      const place = { owner: 'acme', repo: 'shop', workflow_id: 'smoke.yml', ref: 'main', inputs: { n: String(n) } };
      await octokit.rest.actions.createWorkflowDispatch({ ...place, request: { log: SILENT } });
    }
    const runs = await octokit.paginate(octokit.rest.actions.listWorkflowRuns, {
      owner: 'acme',
      repo: 'shop',
      workflow_id: 'smoke.yml',
      per_page: 2,
    });
    assert.deepEqual(
      runs.map(({ display_title }) => display_title),
      ['5', '4', '3', '2', '1'],
    );
    assert.equal(standIn.requests.filter(({ route }) => route === 'listWorkflowRuns').length, 3);
  });
}

/** Without a version header a dispatch is marked as deprecated, of which Octokit warns on the console. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
