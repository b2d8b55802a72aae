import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { type Effect, type Intent, NotSent, Rejected } from '../../src/core/effect.ts';
import { type EffectRecord, type Execution, isOpen, type ProgressRecord, type Stop } from '../../src/core/execution.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { limits } from '../../src/core/limits.ts';
import { withDefaults } from '../../src/core/schema.ts';
import type { Release } from '../../src/core/signal.ts';
import type { Items, Outcome, SendRange, Settled, Step, StepContext } from '../../src/core/step.ts';
import type { EpochMs } from '../../src/core/time.ts';
import type { ManualClock } from '../support/manual-clock.ts';

export interface FakeOptions {
  readonly id?: string;
  readonly step: Step;
  readonly with: JsonObject;
  readonly clock: ManualClock;
  /** What `context.connection` gives. */
  readonly client: unknown;
  /** Absent: nothing is ever signalled. */
  readonly signals?: Signals;
}

/** What raises the executions of a test. */
export interface Signals {
  subscribe(client: unknown, signal: string, raise: () => void): Release;
  /** Resolves when what the clock has rung for has come to rest. */
  settled(): Promise<void>;
}

/** Looks for open effects this often. */
const lookAgainMs = 2_000;
const backoffMs = 1_000;
const mostAdvances = 1_000;

/**
 * An execution without an engine: the journal in memory, the rules of core/effect.ts, and time that jumps to whatever is
 * waited for. It keeps the journal when the step is given another client, as a restart does.
 */
export class FakeExecution {
  execution: Execution;
  /** Something that it waits for was signalled since it advanced last. */
  isRaised = false;
  /** The messages of waiting outcomes, each once per phase. */
  readonly messages: string[] = [];
  readonly #step: Step;
  readonly #clock: ManualClock;
  readonly #signals: Signals | undefined;
  readonly #subscriptions = new Map<string, Release>();
  #client: unknown;

  constructor({ id = 'e1', step, with: given, clock, client, signals }: FakeOptions) {
    this.#step = step;
    this.#clock = clock;
    this.#signals = signals;
    this.#client = client;
    const now = clock.now();
    this.execution = {
      namespace: 'default',
      id,
      version: 1,
      request: { step: step.name, with: given },
      caller: 'test',
      createdAt: now,
      deadline: now + 7_200_000,
      status: { state: 'running', message: 'started', outputs: {}, attempts: 0, effects: [], signals: [] },
    };
  }

  get client(): unknown {
    return this.#client;
  }

  /** Another one's signals are not those of the first. */
  set client(client: unknown) {
    this.#subscribe([]);
    this.#client = client;
  }

  stop(stop: Stop): void {
    this.#change({ stop });
  }

  effect(name: string): EffectRecord | undefined {
    return this.execution.status.effects.find((effect) => effect.name === name);
  }

  /** As a crash leaves it behind: sent or perhaps sent, and nothing known of it. */
  forgetAnswer(name: string): void {
    const record = this.effect(name);
    if (record === undefined) throw new Error(`no effect ${name}`);
    const { doneAt: _, result: __, sentAt: ___, ...open } = record;
    this.#note(open);
  }

  /** One advance, its outcome taken over as the engine does. A throw that is no outcome goes through. */
  async advance(): Promise<Outcome> {
    this.isRaised = false;
    const outcome = await this.#outcome();
    const { status } = this.execution;
    this.#subscribe((outcome.kind === 'waiting' && outcome.signals) || []);
    this.#change({ outputs: { ...status.outputs, ...outcome.outputs } });
    if (outcome.kind === 'waiting') {
      if (this.messages.at(-1) !== outcome.message) this.messages.push(outcome.message);
      if (outcome.state !== undefined) this.#change({ stepState: outcome.state });
    }
    return outcome;
  }

  /** Advances, and lets time pass to what is waited for, until the end. `onWait` may act between two advances. */
  async finish(onWait: (outcome: Outcome) => void = () => {}): Promise<Exclude<Outcome, { kind: 'waiting' }>> {
    for (let count = 0; count < mostAdvances; count += 1) {
      const outcome = await this.advance();
      if (outcome.kind !== 'waiting') return outcome;
      onWait(outcome);
      if (outcome.until === undefined) throw new Error('waits for something that does not come by itself');
      await passTime(this.#clock, [this], outcome.until);
    }
    throw new Error(`no end after ${mostAdvances} advances; last: ${this.messages.at(-1)}`);
  }

  async settled(): Promise<void> {
    await this.#signals?.settled();
  }

  #subscribe(signals: readonly string[]): void {
    for (const [signal, release] of this.#subscriptions) {
      if (signals.includes(signal)) continue;
      release();
      this.#subscriptions.delete(signal);
    }
    for (const signal of signals) {
      if (this.#subscriptions.has(signal) || this.#signals === undefined) continue;
      const raise = () => {
        this.isRaised = true;
      };
      this.#subscriptions.set(signal, this.#signals.subscribe(this.#client, signal, raise));
    }
  }

  async #outcome(): Promise<Outcome> {
    try {
      const params = withDefaults(this.#step.params, this.execution.request.with);
      return await this.#step.advance(this.context(), params);
    } catch (error) {
      if (error instanceof Rejected) return { kind: 'failed', reason: error.reason, message: error.message };
      if (error instanceof NotSent) return this.#waiting(error.message, error.notBefore);
      return this.#waiting(`trying again after: ${(error as Error).message}`);
    }
  }

  context(): StepContext {
    const fake = this;
    return {
      get execution() {
        return fake.execution;
      },
      state: this.execution.status.stepState,
      // Told to the step only when no effect of unknown fate is left.
      stop: this.execution.status.effects.some(mustBeFound) ? undefined : this.execution.status.stop,
      log: pino({ level: 'silent' }),
      readsAborted: new AbortController().signal,
      now: () => this.#clock.now(),
      effect: (name, effect) => this.#settle(name, effect),
      progress: (name, items, sendRange) => this.#progress(name, items, sendRange),
      connection: <C>() => Promise.resolve(this.client as C),
    };
  }

  async #settle<R extends Json, T extends JsonObject>(name: string, effect: Effect<R, T>): Promise<Settled<T>> {
    const record = this.effect(name);
    if (record === undefined) {
      const evidence = await effect.prepare?.();
      const { repeat, request } = effect;
      return this.#send(
        { name, repeat, request, intentAt: 0, ...(evidence === undefined ? {} : { evidence }) },
        effect,
      );
    }
    if (record.result !== undefined) return { done: record.result as T };
    if (record.rejected !== undefined) return { stop: { kind: 'failed', ...record.rejected } };
    if (!isOpen(record)) return this.#sendUnlessFound(record, effect);
    return record.repeat === 'find' ? this.#find(record, effect) : this.#send(record, effect);
  }

  async #sendUnlessFound<R extends Json, T extends JsonObject>(
    record: EffectRecord,
    effect: Effect<R, T>,
  ): Promise<Settled<T>> {
    if (record.notBefore !== undefined && record.notBefore > this.#clock.now()) {
      return { stop: this.#waiting(this.messages.at(-1) ?? '', record.notBefore) };
    }
    const found = record.repeat === 'find' ? await effect.find?.(intentOf(this.execution, record)) : undefined;
    return typeof found === 'object' ? this.#done(record, found) : this.#send(record, effect);
  }

  async #send<R extends Json, T extends JsonObject>(record: EffectRecord, effect: Effect<R, T>): Promise<Settled<T>> {
    const { notSentAt: _, notBefore: __, sentAt: ___, ...kept } = record;
    const intended = { ...kept, intentAt: this.#clock.now() };
    this.#note(intended);
    const sent = { ...intended, sentAt: this.#clock.now() };
    try {
      return this.#done(sent, await effect.send(intentOf(this.execution, intended)));
    } catch (error) {
      if (error instanceof Rejected) return this.#rejected(sent, error);
      if (error instanceof NotSent) {
        const notBefore = error.notBefore ?? this.#clock.now() + backoffMs;
        this.#note({ ...sent, notSentAt: this.#clock.now(), notBefore });
        return { stop: this.#waiting(error.message, notBefore) };
      }
      this.#note(sent);
      if (record.repeat !== 'find') throw error;
      return this.#find(sent, effect);
    }
  }

  /** One batch after the other, which is enough to see what a step makes of it. */
  async #progress(
    name: string,
    { count, digest, batchSize }: Items,
    sendRange: SendRange,
  ): Promise<Settled<ProgressRecord>> {
    const known = this.effect(name);
    if (known?.rejected !== undefined) return { stop: { kind: 'failed', ...known.rejected } };
    if (known?.doneAt !== undefined && known.progress !== undefined) return { done: known.progress };
    const nothing: ProgressRecord = { digest, total: count, done: [], failed: [], failedCount: 0, receipts: [] };
    let progress = known?.progress?.digest === digest ? known.progress : nothing;
    const record = {
      name,
      repeat: 'safe',
      request: { digest },
      intentAt: this.#clock.now(),
      sentAt: this.#clock.now(),
    } as const;
    try {
      for (let start = progress.done[0]?.[1] ?? 0; start < count; start += batchSize) {
        const end = Math.min(start + batchSize, count);
        const { failed = [], receipt } = await sendRange({ start, end });
        progress = {
          ...progress,
          done: [[0, end]],
          failed: [...progress.failed, ...failed].slice(0, limits.failedItems),
          failedCount: progress.failedCount + failed.length,
          receipts: receipt === undefined ? progress.receipts : [...progress.receipts, receipt],
        };
      }
    } catch (error) {
      if (error instanceof Rejected) return this.#rejected({ ...record, progress }, error);
      this.#note({ ...record, progress });
      if (error instanceof NotSent) return { stop: this.#waiting(error.message, error.notBefore) };
      throw error;
    }
    this.#note({ ...record, progress, doneAt: this.#clock.now(), result: { total: count } });
    return { done: progress };
  }

  async #find<R extends Json, T extends JsonObject>(record: EffectRecord, effect: Effect<R, T>): Promise<Settled<T>> {
    const found = await effect.find?.(intentOf(this.execution, record));
    if (typeof found === 'object') return this.#done(record, found);
    const now = this.#clock.now();
    const graceEnd = (record.sentAt ?? record.intentAt) + (effect.graceMs ?? 0);
    if (found === 'unknown' && now < graceEnd) {
      return {
        stop: this.#waiting(`looking for what became of ${record.name}`, Math.min(now + lookAgainMs, graceEnd)),
      };
    }
    if (found === 'absent' || effect.onUncertain === 'resend') {
      const absent = { ...record, notSentAt: now };
      this.#note(absent);
      return this.#send(absent, effect);
    }
    return this.#rejected(record, new Rejected('Uncertain', `${record.name} was sent, but nothing turned up`));
  }

  #done<T extends JsonObject>(record: EffectRecord, result: T): Settled<T> {
    this.#note({ ...record, doneAt: this.#clock.now(), result });
    return { done: result };
  }

  #rejected(record: EffectRecord, { reason, message }: Rejected): { stop: Outcome<never> } {
    this.#note({ ...record, rejected: { reason, message } });
    return { stop: { kind: 'failed', reason, message } };
  }

  #waiting(message: string, until = this.#clock.now() + backoffMs): Outcome<never> {
    return { kind: 'waiting', message, until };
  }

  #note(record: EffectRecord): void {
    const others = this.execution.status.effects.filter(({ name }) => name !== record.name);
    // Through text, as a store does it.
    this.#change({ effects: [...others, JSON.parse(JSON.stringify(record))] });
  }

  #change(change: Partial<Execution['status']>): void {
    this.execution = { ...this.execution, status: { ...this.execution.status, ...change } };
  }
}

/** Lets time pass to the one given, or until one of them is raised. */
async function passTime(clock: ManualClock, executions: readonly FakeExecution[], time: EpochMs): Promise<void> {
  for (;;) {
    for (const execution of executions) await execution.settled();
    if (clock.now() >= time || executions.some(({ isRaised }) => isRaised)) return;
    clock.advanceToNext(time);
  }
}

/** Like `finish` for several at once: all that are due advance at the same time. The ends stand in the order given. */
export async function finishTogether(clock: ManualClock, executions: readonly FakeExecution[]): Promise<Outcome[]> {
  const due = new Map(executions.map((execution) => [execution, clock.now()]));
  const ends = new Map<FakeExecution, Outcome>();
  for (let round = 0; due.size > 0; round += 1) {
    if (round > mostAdvances) throw new Error(`${due.size} executions do not end`);
    await passTime(clock, [...due.keys()], Math.min(...due.values()));
    const turn = [...due]
      .filter(([{ isRaised }, time]) => isRaised || time <= clock.now())
      .map(([execution]) => execution);
    await Promise.all(
      turn.map(async (execution) => {
        const outcome = await execution.advance();
        if (outcome.kind === 'waiting') due.set(execution, outcome.until ?? clock.now());
        else due.delete(execution);
        ends.set(execution, outcome);
      }),
    );
  }
  return executions.map((execution) => ends.get(execution) as Outcome);
}

/** The same for the same execution and effect, and no other, as core/effect.ts promises. */
export function markOf({ namespace, id }: Pick<Execution, 'namespace' | 'id'>, effectName: string): string {
  const digits = createHash('sha256').update(`${namespace}/${id}/${effectName}`).digest('hex');
  return [...digits.slice(0, 26)].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 16))).join('');
}

function intentOf<R extends Json>(execution: Execution, record: EffectRecord): Intent<R> {
  const { request, evidence, intentAt, name } = record;
  const mark = markOf(execution, name);
  return { request: request as R, mark, intentAt, ...(evidence === undefined ? {} : { evidence }) };
}

function mustBeFound(effect: EffectRecord): boolean {
  return effect.repeat === 'find' && isOpen(effect);
}
