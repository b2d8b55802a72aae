/** Milliseconds since 1970 in UTC, whole, as Date.now() gives them. */
export type EpochMs = number;

/** Where time comes from, so that tests decide how fast it passes. */
export interface Clock {
  now(): EpochMs;
  /** Calls back once at or after the time given; returns what cancels it. A far time is the caller's to split. */
  at(time: EpochMs, callback: () => void): () => void;
}

/** Node fires a timer with a longer delay at once, so longer waits are cut. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  at(time, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, time - Date.now()), longestTimerMs));
    return () => clearTimeout(timer);
  },
};

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What a duration looks like: one or more of `2h`, `10m`, `30s`, `500ms`, `7d`, joined without spaces. */
export const durationPattern = '^([0-9]+(ms|s|m|h|d))+$';
const wholePattern = new RegExp(durationPattern);

/** Milliseconds of `30s`, `10m`, `2h`, `1h30m`, `7d`; undefined for any other text. */
export function parseDurationMs(text: string): number | undefined {
  if (!wholePattern.test(text)) return undefined;
  let totalMs = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    totalMs += Number(count) * (unitsMs[unit ?? ''] ?? 0);
  }
  return Number.isSafeInteger(totalMs) ? totalMs : undefined;
}

/** The same for a text that a schema has checked. Throws where none has. */
export function requireDurationMs(text: string): number {
  const durationMs = parseDurationMs(text);
  if (durationMs === undefined) throw new Error(`${text} is not a duration`);
  return durationMs;
}

/** The shortest of the forms that parseDurationMs reads: 90000 is `1m30s`. */
export function formatDurationMs(totalMs: number): string {
  if (totalMs < 1_000) return `${Math.round(totalMs)}ms`;
  let seconds = Math.round(totalMs / 1_000);
  let text = '';
  for (const [unit, size] of [
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(seconds / size);
    if (count > 0) text += `${count}${unit}`;
    seconds -= count * size;
  }
  return text;
}

export function toIsoTime(time: EpochMs): string {
  return new Date(time).toISOString();
}
