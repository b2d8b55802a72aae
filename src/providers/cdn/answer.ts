import type { HttpAnswer } from '../../core/connection.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { EpochMs } from '../../core/time.ts';

/** Longest message of a refusal; 100 of them must fit into a journal entry. */
const longestMessage = 200;

export function shortened(message: string): string {
  return message.length <= longestMessage ? message : `${message.slice(0, longestMessage - 1)}…`;
}

/** The answer's JSON object; undefined for HTML, broken JSON and everything else. */
export function jsonObjectOf(answer: HttpAnswer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(answer.text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** When Retry-After says to come back, in seconds or as a date; undefined where it is absent or not understood. */
export function retryAfter(answer: HttpAnswer, now: EpochMs): EpochMs | undefined {
  const text = answer.headers['retry-after'];
  if (text === undefined) return undefined;
  if (/^[0-9]+$/.test(text)) return now + Number(text) * 1_000;
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : Math.max(now, time);
}

/** Codes for too many items are documented nowhere, so the words must do; a wrong guess costs a few smaller calls. */
export function saysTooMany(message: string): boolean {
  return /too many|too large|at most|maximum|exceed|limit(ed)? (to|of)|up to/i.test(message);
}

/** The name of the answerer and what it said, in short, for messages. */
export function inShort(answer: HttpAnswer): string {
  const type = answer.headers['content-type'] ?? 'no content type';
  return `status ${answer.status}, ${type}, ${answer.text.length} characters`;
}
