import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NotSent } from '../../../src/core/effect.ts';
import { RateBudget } from '../../../src/providers/github/rate-budget.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function open() {
  const clock = new ManualClock();
  return { clock, budget: new RateBudget(clock) };
}

function quota(remaining: number, resetAtMs: number, more: Record<string, string> = {}) {
  const headers = {
    'x-ratelimit-limit': '5000',
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(resetAtMs / 1000),
    ...more,
  };
  return { status: 200, headers, data: {} };
}

const limited = { status: 429, headers: {}, data: { message: 'slow down' } };

describe('polling', () => {
  it('keeps its pace while GitHub says nothing of a limit', () => {
    assert.equal(open().budget.stretch(5_000), 5_000);
  });

  for (const [remaining, expectedMs] of [
    [5_000, 5_000],
    [1_000, 5_000],
    [999, 10_000],
    [499, 20_000],
    [100, 20_000],
    [99, 600_000],
    [0, 600_000],
  ] as const) {
    it(`waits ${expectedMs} ms instead of 5000 when ${remaining} of 5000 calls are left for ten minutes`, () => {
      const { clock, budget } = open();
      budget.note(quota(remaining, clock.now() + 600_000));
      assert.equal(budget.stretch(5_000), expectedMs);
    });
  }

  it('is back at its pace once the limit was reset', () => {
    const { clock, budget } = open();
    budget.note(quota(0, clock.now() + 600_000));
    clock.advance(600_000);
    assert.equal(budget.stretch(5_000), 5_000);
  });

  it("takes the reset time by GitHub's clock, not by ours", () => {
    const { clock, budget } = open();
    const serverNow = clock.now() - 3_600_000;
    budget.note(quota(0, serverNow + 600_000, { date: new Date(serverNow).toUTCString() }));
    assert.equal(budget.stretch(5_000), 600_000);
  });

  it('is not slowed down by the limit of another resource', () => {
    const { clock, budget } = open();
    budget.note(quota(0, clock.now() + 600_000, { 'x-ratelimit-resource': 'search' }));
    assert.equal(budget.stretch(5_000), 5_000);
  });
});

describe('a refusal that does not say how long', () => {
  it('is waited out ever longer, up to a quarter of an hour, until an answer comes through', () => {
    const { clock, budget } = open();
    const pauses: number[] = [];
    for (let count = 0; count < 6; count += 1) {
      const refused = budget.note(limited);
      assert.ok(refused instanceof NotSent);
      pauses.push((refused.notBefore ?? 0) - clock.now());
      clock.advance(pauses.at(-1) ?? 0);
    }
    assert.deepEqual(pauses, [60_000, 120_000, 240_000, 480_000, 900_000, 900_000]);
    budget.note({ status: 200, headers: {}, data: {} });
    assert.equal((budget.note(limited)?.notBefore ?? 0) - clock.now(), 60_000);
  });
});

describe('a 403', () => {
  it('without any sign of a limit is none', () => {
    const { budget } = open();
    assert.equal(budget.note({ status: 403, headers: {}, data: { message: 'Resource not accessible' } }), undefined);
    budget.requireOpen();
  });
});
