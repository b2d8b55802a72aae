import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, dispatch } from './ask.ts';
import { RUN_DETAILS_API_VERSION } from './flavour.ts';
import type { StandInOptions } from './options.ts';
import { startGitHubStandIn } from './stand-in.ts';

const OLD = '2022-11-28';
const MANY = Object.fromEntries(Array.from({ length: 26 }, (_, index) => [`x${index}`, '1']));
const repositories: StandInOptions['repositories'] = [
  {
    fullName: 'acme/shop',
    refs: ['release', 'v1'],
    workflows: [
      {
        file: 'smoke.yml',
        name: 'Smoke',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's expression, as in a workflow file
        runName: 'smoke ${{ inputs.target }} [${{inputs.correlation}}]',
        on: { workflow_dispatch: { inputs: { target: { required: true, default: 'staging' }, correlation: {} } } },
      },
      { file: 'strict.yml', on: { workflow_dispatch: { inputs: { target: { required: true } } } } },
      { file: 'push-only.yml', on: {} },
      { file: 'asleep.yml', state: 'disabled_manually' },
    ],
  },
];

const RUN_DETAILS: readonly {
  readonly title: string;
  readonly options?: Omit<StandInOptions, 'repositories'>;
  readonly apiVersion: string | null;
  readonly flag?: true;
  readonly status: number;
}[] = [
  { title: 'github.com, new version header: run id', apiVersion: RUN_DETAILS_API_VERSION, status: 200 },
  { title: 'github.com, flag under the old version: run id', apiVersion: OLD, flag: true, status: 200 },
  { title: 'github.com, flag without a header: run id', apiVersion: null, flag: true, status: 200 },
  { title: 'github.com, old version, no flag: no body', apiVersion: OLD, status: 204 },
  { title: 'github.com, neither: no body', apiVersion: null, status: 204 },
  { title: 'GHES 3.20, neither: no body', options: { ghes: '3.20' }, apiVersion: null, status: 204 },
  { title: 'GHES 3.20 does not know the flag', options: { ghes: '3.20' }, apiVersion: null, flag: true, status: 204 },
  {
    title: 'GHES 3.20 refuses the new version',
    options: { ghes: '3.20' },
    apiVersion: RUN_DETAILS_API_VERSION,
    status: 400,
  },
  {
    title: 'GHES 3.21, new version header: run id',
    options: { ghes: '3.21' },
    apiVersion: RUN_DETAILS_API_VERSION,
    status: 200,
  },
  { title: 'GHES 3.21, flag: run id', options: { ghes: '3.21' }, apiVersion: null, flag: true, status: 200 },
  {
    title: 'a server that rejects the flag',
    options: { runDetailsFlag: 'rejected' },
    apiVersion: null,
    flag: true,
    status: 422,
  },
];

for (const { title, options, apiVersion, flag, status } of RUN_DETAILS) {
  test(`dispatch: ${title}`, async () => {
    await using standIn = await startGitHubStandIn({ ...options, repositories });
    const body = { ref: 'main', ...(flag ? { return_run_details: true } : {}) };
    const reply = await ask(standIn, 'dispatch', { body, apiVersion });
    assert.equal(reply.status, status, reply.text);
    assert.equal(standIn.dispatches(), status < 300 ? 1 : 0);
    const [run] = standIn.runs;
    if (status === 200) {
      assert.equal(reply.body.workflow_run_id, run?.id);
      assert.equal(reply.body.run_url, `${standIn.url}/repos/acme/shop/actions/runs/${run?.id}`);
      assert.match(reply.body.html_url, /^http:\/\/127\.0\.0\.1:\d+\/acme\/shop\/actions\/runs\/\d+$/);
    }
    if (status === 204) assert.equal(reply.text, '');
    if (status === 400) assert.match(reply.body.message, /"2026-03-10", is not a supported version/);
    if (status === 422) assert.match(reply.body.message, /"return_run_details" is not a permitted key/);
  });
}

test('the new version header and the flag may come together', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const body = { ref: 'main', return_run_details: true };
  // `faulty`: the description has dropped the flag from the new version, many clients still send it.
  assert.equal((await ask(standIn, 'dispatch', { body, faulty: true })).status, 200);
});

test('a dispatch under the old version is marked as deprecated, one under the new version is not', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const old = await ask(standIn, 'dispatch', { body: { ref: 'main' }, apiVersion: null });
  assert.equal(old.headers.get('sunset'), 'Fri, 10 Mar 2028 00:00:00 GMT');
  assert.ok(old.headers.has('deprecation'));
  const current = await ask(standIn, 'dispatch', { body: { ref: 'main' } });
  assert.equal(current.headers.has('deprecation'), false);
});

test('a run takes its title from run-name, its inputs with their defaults, and its actor from the token', async () => {
  const tokens = [{ token: 'robot-token', login: 'shop-bot[bot]', kind: 'app' as const }];
  await using standIn = await startGitHubStandIn({ repositories, tokens });
  const body = { ref: 'refs/heads/release', inputs: { correlation: 'c-1' } };
  const id = await dispatch(standIn, { body, token: 'robot-token' });
  const { body: run } = await ask(standIn, 'getRun', { with: { run_id: id }, token: 'robot-token' });
  assert.equal(run.display_title, 'smoke staging [c-1]');
  assert.equal(run.actor.login, 'shop-bot[bot]');
  assert.equal(run.head_branch, 'release');
  assert.equal(run.event, 'workflow_dispatch');
  assert.deepEqual(standIn.runs[0]?.inputs, { target: 'staging', correlation: 'c-1' });
});

test('runs are numbered per workflow, and their ids are beyond 32 bits', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const ids = [await dispatch(standIn), await dispatch(standIn)];
  await ask(standIn, 'dispatch', { with: { workflow_id: 'strict.yml' }, body: { ref: 'v1', inputs: { target: 'x' } } });
  const numbers = await Promise.all(
    ids.map(async (id) => (await ask(standIn, 'getRun', { with: { run_id: id } })).body.run_number),
  );
  assert.deepEqual(numbers, [1, 2]);
  assert.ok(ids.every((id) => id > 2 ** 32));
  assert.equal(new Set(standIn.runs.map(({ id }) => id)).size, 3);
  assert.equal(standIn.dispatches('acme/shop', 'smoke.yml'), 2);
  assert.equal(standIn.dispatches('acme/shop'), 3);
  assert.equal(standIn.dispatches('acme/other'), 0);
});

test('a workflow is known by file name, by path and by id, a repository in any case', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const { id } = standIn.workflow('acme/shop', 'smoke.yml');
  for (const workflow_id of ['smoke.yml', '.github/workflows/smoke.yml', id]) {
    assert.ok(await dispatch(standIn, { body: { ref: 'main' }, with: { workflow_id, owner: 'ACME' } }));
  }
  assert.equal(standIn.dispatches('acme/shop', 'smoke.yml'), 3);
});

const REFUSALS: readonly [title: string, status: number, message: string | RegExp, body: unknown, workflow?: string][] =
  [
    ['an unknown workflow', 404, 'Not Found', { ref: 'main' }, 'other.yml'],
    ['an unknown ref', 422, 'No ref found for: x', { ref: 'x' }],
    ['a SHA as ref', 422, /^No ref found for: acb5/, { ref: 'acb5820ced9479c074f688cc328bf03f341a511d' }],
    ['no ref', 422, 'Invalid request.\n\n"ref" wasn\'t supplied.', {}],
    ['a ref that is no text', 422, /'properties\/ref', 1 is not a string/, { ref: 1 }],
    ['an undeclared input', 422, 'Unexpected inputs provided: ["x"]', { ref: 'main', inputs: { x: '1' } }],
    ['a missing required input', 422, "Required input 'target' not provided", { ref: 'main' }, 'strict.yml'],
    ['no trigger', 422, "Workflow does not have 'workflow_dispatch' trigger", { ref: 'main' }, 'push-only.yml'],
    ['a disabled workflow', 422, /on a disabled workflow$/, { ref: 'main' }, 'asleep.yml'],
    ['26 inputs', 422, /No more than 25 properties are allowed; 26 were supplied\.$/, { ref: 'main', inputs: MANY }],
    ['a list as body', 400, 'Body should be a JSON object', []],
  ];

for (const [title, status, message, body, workflow_id = 'smoke.yml'] of REFUSALS) {
  test(`dispatch is refused, and starts nothing: ${title}`, async () => {
    await using standIn = await startGitHubStandIn({ repositories });
    const reply = await ask(standIn, 'dispatch', { with: { workflow_id }, body });
    assert.equal(reply.status, status);
    if (typeof message === 'string') assert.equal(reply.body.message, message);
    else assert.match(reply.body.message, message);
    assert.equal(standIn.dispatches(), 0);
  });
}

test('dispatch is refused, and starts nothing: unknown repository, text that is no JSON, 11 inputs on GHES 3.19', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  assert.equal((await ask(standIn, 'dispatch', { with: { repo: 'other' }, body: { ref: 'main' } })).status, 404);
  const noJson = await ask(standIn, 'dispatch', { headers: { 'content-type': 'application/json' } });
  assert.equal(noJson.body.message, 'Problems parsing JSON');
  await using older = await startGitHubStandIn({ repositories, ghes: '3.19' });
  const inputs = Object.fromEntries(Object.entries(MANY).slice(0, 11));
  const tooMany = await ask(older, 'dispatch', { body: { ref: 'main', inputs }, apiVersion: null });
  assert.match(tooMany.body.message, /No more than 10 properties/);
  assert.equal(standIn.dispatches() + older.dispatches(), 0);
});
