import type { EpochMs } from '../../core/time.ts';
import type { GitHubClient } from '../../providers/github/github-client.ts';

const longestFactor = 9;

/** When to look at a run again: often while it is young, ever more seldom later. */
export function nextPoll({ budget, options }: GitHubClient, startedAt: EpochMs, now: EpochMs): EpochMs {
  return now + budget.stretch(options.pollIntervalMs * factorAt(now - startedAt));
}

/** Short of a budget that runs out, no run is left alone for longer. */
export function longestPollIntervalMs(pollIntervalMs: number): number {
  return pollIntervalMs * longestFactor;
}

function factorAt(ageMs: number): number {
  if (ageMs < 60_000) return 1;
  return ageMs < 600_000 ? 3 : longestFactor;
}
