import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { killCases, runKillCase, wrongIn } from './kill-matrix.ts';

// Every point meets every condition, every second pair with and every second without a mark: all of it is `npm run chaos`.
const chosen = killCases.filter((_, index) => index % 3 === 0);

describe('killed at any journaled point, whatever GitHub does, it dispatches once or says Uncertain', {
  concurrency: 4,
}, () => {
  for (const killCase of chosen) {
    const { killAt, condition, isMarked } = killCase;
    test(`killed ${killAt}; GitHub ${condition}${isMarked ? ', with a mark' : ''}`, async () => {
      assert.equal(wrongIn(await runKillCase(killCase)), undefined);
    });
  }
});
