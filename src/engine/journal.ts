import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { NotSent } from '../core/effect.ts';
import { type EffectRecord, type Execution, type ExecutionStatus, isFinal } from '../core/execution.ts';
import type { Holding } from '../core/holding.ts';
import { ExecutionMissing, type ExecutionStore, ExecutionTooLarge, VersionConflict } from '../core/store.ts';
import type { Clock } from '../core/time.ts';
import { createStop } from './stop.ts';

/** The execution has ended, or is another process's to advance: what is still to be written has no place. */
export class ExecutionLost extends Error {}

/** The incarnation in whose name this advance began may be dead to the others: nothing more is written or sent in that name. */
export class HoldLost extends Error {
  constructor() {
    super('the lease of this process has lapsed');
    this.name = 'HoldLost';
  }
}

/** The advance is over (it took too long, or the process is closing): nothing more is begun in its name. */
export class AdvanceOver extends Error {
  constructor() {
    super('this advance is over');
    this.name = 'AdvanceOver';
  }
}

export interface JournalOptions {
  readonly store: ExecutionStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the process stops: then a store that fails is not waited for any longer. */
  readonly closing: AbortSignal;
  /** Absent where no other process shares the store. */
  readonly holding: Holding | undefined;
  /** The record was deleted: what is still to be done for it is kept in memory only. */
  readonly isGone: boolean;
  /** In [0, 1); for jitter. */
  readonly random: () => number;
}

const firstRetryMs = 50;
const longestRetryMs = 5_000;

/**
 * The one writer of an execution while it advances. It holds what the advance has learned, writes it by compare-and-swap
 * one write at a time, and takes over what others may write meanwhile: the stop, and a signal, which it deals with.
 */
export class Journal {
  readonly #options: JournalOptions;
  /** In whose name this advance writes and sends, from its beginning to its end. */
  readonly holder: string | undefined;
  #stored: Execution;
  #status: ExecutionStatus;
  #writes: Promise<unknown> = Promise.resolve();
  #over = false;
  #isGone: boolean;

  constructor(execution: Execution, options: JournalOptions) {
    this.#stored = execution;
    this.#status = execution.status;
    this.#options = options;
    this.#isGone = options.isGone;
    // Nobody else can hold what has no record.
    this.holder = options.isGone ? undefined : options.holding?.holder;
  }

  /** As stored, but with what this advance has learned since. */
  get execution(): Execution {
    return { ...this.#stored, status: this.#status };
  }

  get status(): ExecutionStatus {
    return this.#status;
  }

  /** Whether something was noted that is not stored yet. */
  get hasNews(): boolean {
    return this.#status !== this.#stored.status;
  }

  /** The record was deleted, and something was sent for it: its end is written nowhere, but comes about. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get isOver(): boolean {
    return this.#over || this.#options.closing.aborted || this.#isHoldLost;
  }

  /** Nothing new is begun from here on; results that come in are still kept. */
  endAdvance(): void {
    this.#over = true;
  }

  effect(name: string): EffectRecord | undefined {
    return this.#status.effects.find((effect) => effect.name === name);
  }

  /** Keeps the change; it is written with the next write, in one update with whatever that tells. */
  note(change: (status: ExecutionStatus) => ExecutionStatus): void {
    this.#status = change(this.#status);
  }

  noteEffect(record: EffectRecord): void {
    this.note((status) => ({ ...status, effects: withEffect(status.effects, record) }));
  }

  /**
   * Makes an intent durable. False: the execution was stopped meanwhile, nothing was written, and nothing may be sent.
   * `underStop`: the effect undoes something, and the stop is what asks for it.
   */
  async writeIntent(record: EffectRecord, underStop: boolean): Promise<boolean> {
    return await this.#inTurn(async () => {
      if (this.isOver) throw new AdvanceOver();
      return this.#write((status) => {
        if (status.stop !== undefined && !underStop) return undefined;
        // Due at once for whoever finds this record after a crash.
        const wakeAt = this.#options.clock.now();
        return { ...status, wakeAt, signals: [], effects: withEffect(status.effects, record) };
      });
    });
  }

  /** Writes what was noted, if it differs from what is stored. */
  async write(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.hasNews) await this.#write((status) => status);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writes.then(work);
    this.#writes = result.catch(() => undefined);
    return result;
  }

  /** `change` is asked again after each conflict, with the others' writes taken over; undefined gives the write up. */
  async #write(change: (status: ExecutionStatus) => ExecutionStatus | undefined): Promise<boolean> {
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(2 * retryMs, longestRetryMs)) {
      const before = this.#status;
      const next = change(before);
      if (next === undefined) return false;
      if (this.#isHoldLost) throw new HoldLost();
      try {
        this.#stored = await this.#update(next);
        // A result may have been noted while the write was under way: it stays for the next one.
        this.#status = this.#status === before ? this.#stored.status : (change(this.#status) ?? this.#status);
        return true;
      } catch (error) {
        if (error instanceof ExecutionTooLarge) throw error;
        if (error instanceof VersionConflict) await this.#takeOver();
        else if (error instanceof ExecutionMissing) this.#goOnWithout(error);
        else await this.#waitForStore(error, retryMs);
      }
    }
  }

  async #update(status: ExecutionStatus): Promise<Execution> {
    const { version } = this.#stored;
    if (this.#isGone) return { ...this.#stored, version: version + 1, status };
    return await this.#options.store.update(this.#stored, version, this.#signed(status));
  }

  async #takeOver(): Promise<void> {
    const stored = await this.#options.store.get(this.#stored);
    if (stored === undefined) return this.#goOnWithout(undefined);
    if (isFinal(stored.status.state)) throw new ExecutionLost('somebody else has ended it');
    const { holder, stop } = stored.status;
    // Of one that we have not begun with, the last write of who died may have come after our look.
    if (holder !== this.holder && !isSameButForWishes(stored.status, this.#stored.status)) {
      throw new ExecutionLost(`${holder ?? 'nobody'} has written it since`);
    }
    // A signal is not taken over: this execution was raised by it, and looks once more after this advance.
    this.#stored = stored;
    // One of ours stays: the step has been told of it, and what undoes has its time from it.
    if (stop !== undefined) this.note((status) => ({ stop, ...status }));
  }

  /** Who deletes a record wants its end. What was sent is still followed to it, and undone where the step does so. */
  #goOnWithout(cause: unknown): void {
    if (this.#status.effects.length === 0) throw new ExecutionLost('the record is gone', { cause });
    const { log, clock } = this.#options;
    log.warn('the record was deleted while it was advanced: it is stopped, and its end is only logged');
    this.#isGone = true;
    const stop = createStop(this.#status, { reason: 'Cancelled', at: clock.now(), message: 'its record was deleted' });
    this.note((status) => ({ stop, ...status }));
  }

  get #isHoldLost(): boolean {
    const { holding } = this.#options;
    if (this.#isGone) return false;
    return holding !== undefined && (this.holder === undefined || !holding.isAlive(this.holder));
  }

  #signed(status: ExecutionStatus): ExecutionStatus {
    return this.holder === undefined ? status : { ...status, holder: this.holder };
  }

  /** A full disk or an API server that restarts passes; what we know must not be lost to it. */
  async #waitForStore(error: unknown, limitMs: number): Promise<void> {
    const { clock, closing, log, random } = this.#options;
    if (closing.aborted) throw error;
    const notBefore = error instanceof NotSent ? (error.notBefore ?? 0) : 0;
    // Spread, for all that wait for one store try again when it is back.
    const retryMs = Math.max(limitMs * (0.5 + random() / 2), notBefore - clock.now());
    log.warn({ err: error, retryMs }, 'the store does not take a write; trying again');
    await new Promise<void>((resolve) => {
      const wake = () => {
        cancel();
        closing.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = clock.at(clock.now() + retryMs, wake);
      closing.addEventListener('abort', wake);
    });
  }
}

/** But for what those who do not hold it may write. */
function isSameButForWishes(a: ExecutionStatus, b: ExecutionStatus): boolean {
  const { stop: _, signal: __, ...mine } = a;
  const { stop: ___, signal: ____, ...theirs } = b;
  return isDeepStrictEqual(mine, theirs);
}

function withEffect(effects: readonly EffectRecord[], record: EffectRecord): readonly EffectRecord[] {
  const at = effects.findIndex((effect) => effect.name === record.name);
  return at === -1 ? [...effects, record] : effects.with(at, record);
}
