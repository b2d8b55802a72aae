import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Rejected } from '../../../src/core/effect.ts';
import type { GitHubClient } from '../../../src/providers/github/github-client.ts';
import { neverAborted, openGitHub } from './open-github.ts';
import { runAnswer } from './run-answer.ts';

const smoke = { repository: 'acme/shop', workflow: 'smoke.yml' };

/** Ids ascending, which is the order of creation. */
async function start(client: GitHubClient, count = 1): Promise<number[]> {
  const dispatch = { ...smoke, ref: 'main', inputs: {} };
  const started = await Promise.all(Array.from({ length: count }, () => client.workflows.dispatch(dispatch, 30_000)));
  return started.map(({ runId }) => runId).toSorted((left, right) => left - right);
}

function placeOf(runId = 0) {
  return { repository: 'acme/shop', runId };
}

describe('the list of dispatched runs', () => {
  it('gives the newest hundred and the time of the server', async (t) => {
    const { clock, client } = await openGitHub(t);
    const ids = await start(client, 102);
    const found = await client.runs.dispatched(smoke, neverAborted);
    assert.deepEqual(
      found.runs.map(({ id }) => id),
      ids.toReversed().slice(0, 100),
    );
    assert.equal(found.isComplete, false);
    assert.equal(found.serverTime, clock.now());
  });

  it('gives all pages of a span of time', async (t) => {
    const { clock, client, standIn } = await openGitHub(t);
    await start(client, 3);
    clock.advance(60_000);
    const from = clock.now();
    const ids = await start(client, 201);
    const before = standIn.requests.length;
    const found = await client.runs.dispatched({ ...smoke, created: { from, to: from + 1_000 } }, neverAborted);
    assert.deepEqual(found.runs.map(({ id }) => id).toSorted(), ids.toSorted());
    assert.equal(found.isComplete, true);
    assert.equal(standIn.requests.length - before, 3);
  });

  it('says so when there are more than GitHub lists', async (t) => {
    const { client } = await openGitHub(t);
    await start(client, 1_001);
    const span = { from: 0, to: Date.UTC(2030, 0) };
    const found = await client.runs.dispatched({ ...smoke, created: span }, neverAborted);
    assert.equal(found.runs.length, 1_000);
    assert.equal(found.isComplete, false);
  });

  it('is not taken for empty where the answer is no list', async (t) => {
    const { standIn, client } = await openGitHub(t);
    for (const kind of ['html-200', '200-with-error-inside', 'empty-200'] as const) {
      standIn.fault('listWorkflowRuns', { kind });
      await assert.rejects(client.runs.dispatched(smoke, neverAborted), /no list of runs/);
    }
  });

  it('is Rejected where the workflow is unknown', async (t) => {
    const { client } = await openGitHub(t);
    await assert.rejects(client.runs.dispatched({ ...smoke, workflow: 'other.yml' }, neverAborted), Rejected);
  });
});

describe('a run', () => {
  it('is read again for nothing while it has not changed', async (t) => {
    const { standIn, client } = await openGitHub(t);
    const [id] = await start(client);
    const first = await client.runs.get(placeOf(id), neverAborted);
    const second = await client.runs.get(placeOf(id), neverAborted);
    assert.deepEqual(second, first);
    assert.deepEqual(
      standIn.requests.filter(({ route }) => route === 'getRun').map(({ outcome }) => outcome),
      [200, 304],
    );
    standIn.setRun(id ?? 0, { status: 'completed', conclusion: 'success' });
    assert.equal((await client.runs.get(placeOf(id), neverAborted))?.conclusion, 'success');
  });

  it('is undefined where GitHub shows none', async (t) => {
    const { client } = await openGitHub(t);
    assert.equal(await client.runs.get(placeOf(1), neverAborted), undefined);
  });

  it('is no run where the answer is something else', async (t) => {
    const { standIn, client } = await openGitHub(t);
    const [id] = await start(client);
    standIn.fault('getRun', { kind: 'html-200' });
    await assert.rejects(client.runs.get(placeOf(id), neverAborted), /no run/);
  });

  it('is kept with so much of its texts that no GitHub can fill the memory', async (t) => {
    const long = 'x'.repeat(10_000);
    const texts = { status: long, conclusion: long, html_url: long, display_title: long, head_branch: long };
    const { client } = await openGitHub(t, { instead: () => runAnswer({ ...texts, actor: { login: long } }) });
    const run = await client.runs.get(placeOf(1), neverAborted);
    assert.deepEqual(
      [run?.url, run?.title, run?.branch, run?.status, run?.conclusion, run?.actor].map((text) => text?.length),
      [1_024, 1_024, 1_024, 100, 100, 100],
    );
  });

  it('is read anew where its ETag is too long to be kept', async (t) => {
    const { client } = await openGitHub(t, {
      instead: ({ headers }) => {
        assert.equal(headers?.['if-none-match'], undefined);
        return runAnswer({}, { etag: `"${'x'.repeat(256)}"` });
      },
    });
    for (let count = 0; count < 2; count += 1) assert.ok(await client.runs.get(placeOf(1), neverAborted));
  });

  it('may have 1 MiB, and a list of runs 16', async (t) => {
    const asked: [string, number | undefined][] = [];
    const { client } = await openGitHub(t, {
      instead: ({ url, maxBytes }) => {
        asked.push([new URL(url).pathname, maxBytes]);
        return undefined;
      },
    });
    await client.runs.get(placeOf(1), neverAborted);
    await client.runs.dispatched(smoke, neverAborted);
    assert.deepEqual(asked, [
      ['/repos/acme/shop/actions/runs/1', undefined],
      ['/repos/acme/shop/actions/workflows/smoke.yml/runs', 16 * 1024 * 1024],
    ]);
  });

  it('that failed names its jobs and steps', async (t) => {
    const { standIn, client } = await openGitHub(t);
    const [id] = await start(client);
    standIn.setRun(id ?? 0, { status: 'completed', conclusion: 'failure' });
    assert.deepEqual(await client.runs.failedJobs(placeOf(id), neverAborted), [
      { name: 'build', conclusion: 'failure', failedSteps: ['Complete job'] },
    ]);
  });

  it('is cancelled, and has nothing to cancel once it has ended', async (t) => {
    const { standIn, client } = await openGitHub(t);
    const [id] = await start(client);
    assert.equal(await client.runs.cancel(placeOf(id), 5_000), true);
    assert.equal(standIn.runs[0]?.conclusion, 'cancelled');
    assert.equal(await client.runs.cancel(placeOf(id), 5_000), false);
  });

  it('that is unknown cannot be cancelled', async (t) => {
    const { client } = await openGitHub(t);
    await assert.rejects(client.runs.cancel(placeOf(1), 5_000), Rejected);
  });
});

describe('a workflow', () => {
  it('has one id by whatever name, which is asked for once', async (t) => {
    const { standIn, client } = await openGitHub(t);
    const id = await client.workflows.idOf(smoke, neverAborted);
    assert.equal(id, standIn.workflow('acme/shop', 'smoke.yml').id);
    assert.equal(await client.workflows.idOf({ ...smoke, workflow: String(id) }, neverAborted), id);
    assert.equal(await client.workflows.idOf(smoke, neverAborted), id);
    assert.equal(standIn.requests.length, 1);
  });
});

describe('the account', () => {
  it("has the token's login, which is asked for once", async (t) => {
    const { standIn, client } = await openGitHub(t);
    assert.equal(await client.account.login(neverAborted), 'octocat');
    assert.equal(await client.account.login(neverAborted), 'octocat');
    assert.equal(standIn.requests.length, 1);
  });

  it('has none where the token is that of an app', async (t) => {
    const tokens = [{ token: 'app', login: 'shop[bot]', kind: 'app' as const }];
    const { client } = await openGitHub(t, { token: 'app', standIn: { tokens } });
    assert.equal(await client.account.login(neverAborted), undefined);
  });
});
