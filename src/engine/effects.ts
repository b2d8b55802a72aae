import { createHash } from 'node:crypto';
import { toBase32 } from '../core/base32.ts';
import { type Effect, type Intent, NotSent, Rejected } from '../core/effect.ts';
import { type EffectRecord, type ExecutionKey, isOpen } from '../core/execution.ts';
import { isJsonObject, type Json, type JsonObject, jsonBytes, throughJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Reason } from '../core/reason.ts';
import type { Outcome, Settled } from '../core/step.ts';
import { type EpochMs, formatDurationMs } from '../core/time.ts';
import type { Advance } from './advance.ts';
import { AdvanceOver } from './journal.ts';
import { shortText } from './short-text.ts';

type Stopped = { readonly stop: Outcome<never> };
type AnyEffect = Effect<Json, JsonObject>;

/** What the provider knows our effect by: the same after a restart, and even after a lost store. */
function markOf(key: ExecutionKey, effectName: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([key.namespace, key.id, effectName]))
    .digest();
  return toBase32(hash.subarray(0, 16));
}

/**
 * Carries one effect as far as it can be carried now: intent before send, find before resend, and never a second send
 * on suspicion. What can go wrong with the process at each line, and what the next start makes of it:
 *
 * before the intent is committed: nothing was sent, it starts from the beginning;
 * between intent and send, during the send, and before the result is committed: the record says open, so `safe` and
 * `keyed` are sent again, `find` looks; after the result is committed: the result is given without a call.
 */
export async function runEffect<R extends Json, T extends JsonObject>(
  advance: Advance,
  name: string,
  effect: Effect<R, T>,
): Promise<Settled<T>> {
  // The stored request and result are the R and T that this step stored under this name.
  return (await new EffectRun(advance, name, effect as unknown as AnyEffect).settle()) as Settled<T>;
}

class EffectRun {
  readonly #advance: Advance;
  readonly #name: string;
  readonly #effect: AnyEffect;
  readonly #mark: string;

  constructor(advance: Advance, name: string, effect: AnyEffect) {
    this.#advance = advance;
    this.#name = name;
    this.#effect = effect;
    this.#mark = markOf(advance.journal.execution, name);
  }

  async settle(): Promise<Settled<JsonObject>> {
    const record = this.#advance.journal.effect(this.#name);
    if (record === undefined) return this.#begin();
    if (record.result !== undefined) return { done: record.result };
    if (record.rejected !== undefined) return failed(record.rejected.reason, record.rejected.message);
    if (!isOpen(record)) return this.#sendUnlessFound(record);
    if (record.repeat === 'find') return this.#find(record);
    // With an intent of its own: the write of that tells of a stop that came since this advance was begun.
    return this.#advance.refusesResend(record) ?? this.#intend(record);
  }

  async #begin(): Promise<Settled<JsonObject>> {
    const refusal = this.#advance.refusesNewEffects();
    if (refusal !== undefined) return refusal;
    const evidence = await this.#effect.prepare?.();
    const given = storable({ request: this.#effect.request, evidence });
    if (given?.request === undefined) return failed('StepBroken', `what ${this.#name} is to send is not JSON`);
    return this.#intend({
      name: this.#name,
      repeat: this.#effect.repeat,
      request: given.request,
      ...(given.evidence === undefined ? {} : { evidence: given.evidence }),
      intentAt: 0,
    });
  }

  /** The newest send did not happen, or so the provider said: one look before the next, which only a match prevents. */
  async #sendUnlessFound(record: EffectRecord): Promise<Settled<JsonObject>> {
    const refusal = this.#advance.refusesResend(record);
    if (refusal !== undefined) return refusal;
    if (record.notBefore !== undefined && record.notBefore > this.#advance.now()) {
      return waiting(this.#advance.execution.status.message, record.notBefore);
    }
    if (record.repeat === 'find') {
      const found = await this.#effect.find?.(this.#intentOf(record));
      if (found !== undefined && typeof found === 'object') return this.#done(record, found);
    }
    return this.#intend(record);
  }

  /** Commits the intent, and only then sends. */
  async #intend(record: EffectRecord): Promise<Settled<JsonObject>> {
    const refusal = await this.#advance.originRefuses();
    if (refusal !== undefined) return refusal;
    const { notSentAt: _, notBefore: __, sentAt: ___, ...kept } = record;
    const intended: EffectRecord = { ...kept, intentAt: this.#advance.intentTime() };
    const { journal, stop } = this.#advance;
    // An advance that runs out of time, and the end of the process, wait for the note of the answer.
    const sent = await this.#advance.uninterrupted(async () => {
      if (!(await journal.writeIntent(intended, stop !== undefined))) return this.#advance.goAgain();
      if (!journal.isOver) return this.#send(intended);
      this.#note({ ...intended, notSentAt: this.#advance.now() });
      throw new AdvanceOver();
    });
    return 'name' in sent ? this.#find(sent) : sent;
  }

  /** Sends, and notes what is known of it afterwards. An EffectRecord comes back where that is nothing. */
  async #send(record: EffectRecord): Promise<Settled<JsonObject> | EffectRecord> {
    const sent = { ...record, sentAt: this.#advance.now() };
    try {
      return this.#done(sent, await this.#advance.withinSendLimit(() => this.#effect.send(this.#intentOf(record))));
    } catch (error) {
      if (error instanceof Rejected) return this.#rejected(sent, error.reason, error.message);
      if (error instanceof NotSent) return this.#notSent(sent, error);
      this.#advance.log.warn(
        { err: error, effect: this.#name },
        'sent, but the answer does not tell what became of it',
      );
      this.#note(sent);
      return record.repeat === 'find' ? sent : this.#advance.tryLater(error);
    }
  }

  async #find(record: EffectRecord): Promise<Settled<JsonObject>> {
    if (this.#advance.journal.isOver) throw new AdvanceOver();
    const found = (await this.#effect.find?.(this.#intentOf(record))) ?? 'unknown';
    if (typeof found === 'object') return this.#done(record, found);
    const now = this.#advance.now();
    const graceMs = this.#effect.graceMs ?? 0;
    const openSince = record.sentAt ?? record.intentAt;
    if (found === 'unknown' && now < openSince + graceMs) {
      return waiting(`looking for what became of ${this.#name}`, nextLook(now, openSince, graceMs));
    }
    if (found === 'absent' || this.#effect.onUncertain === 'resend') {
      const absent = this.#note({ ...record, notSentAt: now });
      return this.#advance.refusesResend(absent) ?? this.#intend(absent);
    }
    return this.#rejected(
      record,
      'Uncertain',
      `${this.#name} was sent, but its answer was lost and nothing turned up within ${formatDurationMs(graceMs)}; it is not sent again`,
    );
  }

  #done(record: EffectRecord, given: JsonObject): Settled<JsonObject> {
    const result = storable(given);
    if (result === undefined) return this.#rejected(record, 'StepBroken', `the result of ${this.#name} is not JSON`);
    if (jsonBytes(result) > limits.effectResultBytes) {
      return this.#rejected(
        record,
        'TooLarge',
        `the result of ${this.#name} is over ${limits.effectResultBytes} bytes`,
      );
    }
    this.#note({ ...record, doneAt: this.#advance.now(), result });
    return { done: result };
  }

  #rejected(record: EffectRecord, reason: Reason, text: string): Stopped {
    const message = shortText(text);
    this.#note({ ...record, rejected: { reason, message } });
    return failed(reason, message);
  }

  #notSent(record: EffectRecord, error: NotSent): Stopped {
    const notBefore = this.#advance.retryTime(error);
    this.#note({ ...record, notSentAt: this.#advance.now(), notBefore });
    return waiting(error.message, notBefore);
  }

  #note(record: EffectRecord): EffectRecord {
    this.#advance.journal.noteEffect(record);
    return record;
  }

  #intentOf(record: EffectRecord): Intent<Json> {
    const { request, evidence, intentAt } = record;
    return { request, mark: this.#mark, intentAt, ...(evidence === undefined ? {} : { evidence }) };
  }
}

/**
 * As it is stored, so that a step sees the same before and after a restart; undefined for what cannot be. The journal
 * would take a write that fails for a store that fails, and try it for ever.
 */
function storable(given: JsonObject): JsonObject | undefined {
  try {
    const value = throughJson(given);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Looks often at first and ever more seldom, and once more when the grace ends. */
function nextLook(now: EpochMs, openSince: EpochMs, graceMs: number): EpochMs {
  const intervalMs = Math.min(Math.max((now - openSince) / 2, graceMs / 100), graceMs / 10);
  return Math.min(now + Math.ceil(intervalMs), openSince + graceMs);
}

function waiting(message: string, until: EpochMs): Stopped {
  return { stop: { kind: 'waiting', message, until } };
}

function failed(reason: Reason, message: string): Stopped {
  return { stop: { kind: 'failed', reason, message } };
}
