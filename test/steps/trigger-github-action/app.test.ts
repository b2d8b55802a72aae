import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { triggerGithubAction as step } from '../../../src/steps/trigger-github-action.ts';
import { openGitHub } from '../../providers/github/open-github.ts';
import { createAppKeys, shopBot } from '../../support/github/app-key.ts';
import { FakeExecution } from '../fake-context.ts';

const keys = createAppKeys();
const hourMs = 3_600_000;
const plan = [
  { status: 'in_progress', forMs: 1.5 * hourMs },
  { status: 'completed', conclusion: 'success' },
];
const params = { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' };

async function open(test: TestContext) {
  const github = await openGitHub(test, {
    standIn: {
      apps: [shopBot(keys)],
      repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml', plan }] }],
    },
    app: { key: () => keys.pkcs1 },
  });
  const { clock, client, signals } = github;
  return { ...github, execution: new FakeExecution({ id: 'e1', step, with: params, clock, client, signals }) };
}

describe('as an app, the step', () => {
  it('follows a run for longer than its token lives', async (t) => {
    const { execution, standIn } = await open(t);
    assert.equal((await execution.finish()).kind, 'succeeded');
    const minted = standIn.requests.filter(({ route }) => route === 'createInstallationToken');
    assert.equal(minted.length, 2);
    assert.ok(standIn.requests.every(({ outcome }) => outcome !== 401));
  });

  for (const kind of ['accept-then-502', 'accept-then-reset'] as const) {
    it(`finds its run by its bot as the actor where the answer was lost (${kind})`, async (t) => {
      const { execution, standIn } = await open(t);
      standIn.fault('dispatch', { kind });
      const outcome = await execution.finish();
      assert.equal(outcome.kind, 'succeeded', JSON.stringify(outcome));
      assert.equal(standIn.runs[0]?.id, (outcome.outputs as { runId: number }).runId);
      assert.equal(standIn.dispatches(), 1);
    });
  }
});
