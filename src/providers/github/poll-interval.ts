const longestFactor = 9;

/** How long until the next look at a run: often while it is young, ever more seldom later. */
export function pollPauseMs(pollIntervalMs: number, ageMs: number): number {
  return pollIntervalMs * factorAt(ageMs);
}

/** Short of a budget that runs out, no run is left alone for longer. */
export function longestPollIntervalMs(pollIntervalMs: number): number {
  return pollIntervalMs * longestFactor;
}

function factorAt(ageMs: number): number {
  if (ageMs < 60_000) return 1;
  return ageMs < 600_000 ? 3 : longestFactor;
}
