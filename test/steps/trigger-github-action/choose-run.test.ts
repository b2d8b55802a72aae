import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WorkflowRun } from '../../../src/providers/github/workflow-run.ts';
import { chooseRun, type UnmarkedSearch } from '../../../src/steps/trigger-github-action/choose-run.ts';

const ours = `aftersync-${'a'.repeat(26)}`;
const another = `aftersync-${'b'.repeat(26)}`;
const unmarked: UnmarkedSearch = {
  branch: 'main',
  actor: 'octocat',
  seen: [],
  from: 1_000,
  to: 2_000,
  isOfAnother: () => false,
};

function run(change: Partial<WorkflowRun>): WorkflowRun {
  return {
    id: 1,
    workflowId: 1,
    status: 'queued',
    conclusion: undefined,
    attempt: 1,
    url: '',
    title: 'smoke',
    branch: 'main',
    actor: 'Octocat',
    createdAt: 1_500,
    updatedAt: 1_500,
    ...change,
  };
}

function choose(runs: readonly WorkflowRun[], more: { unmarked?: UnmarkedSearch; isComplete?: boolean } = {}) {
  const { isComplete = true, ...search } = more;
  const choice = chooseRun({ found: { runs, isComplete, serverTime: undefined }, mark: ours, ...search });
  return choice && [choice.run.id, ...choice.duplicates.map(({ id }) => id)];
}

describe('the run of a dispatch', () => {
  it('is the oldest that shows the mark, wherever it stands in the title; the rest are duplicates', () => {
    const runs = [
      run({ id: 3, title: `deploy [${ours}] eu`, createdAt: 1_600 }),
      run({ id: 2, title: ours, createdAt: 1_500 }),
      run({ id: 1, title: `${ours}!`, createdAt: 1_500 }),
      run({ id: 0, title: another }),
    ];
    assert.deepEqual(choose(runs), [1, 2, 3]);
  });

  it('is no other where a mark is needed', () => {
    assert.equal(choose([run({})]), undefined);
  });

  it('is not one with a longer mark that begins like ours', () => {
    assert.equal(choose([run({ title: `${ours.slice(0, -1)}b` })]), undefined);
  });

  it('is, without marks, the only one that fits', () => {
    assert.deepEqual(choose([run({}), run({ id: 2, title: another })], { unmarked }), [1]);
    assert.equal(choose([run({}), run({ id: 2 })], { unmarked }), undefined);
  });

  it('is unknown, without marks, where the list has more than it shows', () => {
    assert.equal(choose([run({})], { unmarked, isComplete: false }), undefined);
    assert.deepEqual(choose([run({ title: ours })], { unmarked, isComplete: false }), [1]);
  });

  for (const [name, change] of [
    ['of another branch', { branch: 'dev' }],
    ['of no branch', { branch: undefined }],
    ['of another actor', { actor: 'hubot' }],
    ['of nobody', { actor: undefined }],
    ['from before', { createdAt: 999 }],
    ['from later', { createdAt: 2_001 }],
  ] as const) {
    it(`is, without marks, none ${name}`, () => {
      assert.equal(choose([run(change)], { unmarked }), undefined);
    });
  }
});
