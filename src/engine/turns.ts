import type { Logger } from 'pino';
import { type ExecutionKey, keyText } from '../core/execution.ts';
import { Schedule, type Scheduled } from '../core/schedule.ts';
import type { Release, SignalSource } from '../core/signal.ts';
import type { Clock, EpochMs } from '../core/time.ts';
import { FairQueue } from './fair-queue.ts';

/** When a source that could not subscribe is asked again. */
const resubscribeMs = 60_000;

/** All that is held in memory of an execution that has not ended. */
export interface Turn extends ExecutionKey, Scheduled {
  phase: 'idle' | 'queued' | 'advancing';
  /** Raised while advancing: it goes again right after. */
  again: boolean;
  /** Taken in anew while advancing: its key may be that of another record by now. */
  isAddedAgain: boolean;
  /** raiseOnce was heard. */
  isAlerted: boolean;
  /** Advances in a row that threw; decides the backoff. Forgotten by a restart. */
  failures: number;
  subscriptions: Map<string, Release> | undefined;
}

export interface TurnsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly sources: readonly SignalSource[];
  /** How many advance at once; half as many of one namespace. */
  readonly concurrency: number;
  /** One advance; must not reject. It ends by calling `wait` or `forget`. */
  readonly advance: (turn: Turn) => Promise<void>;
}

/**
 * Whose turn it is: every unfinished execution once, asleep in the schedule or in the bounded queue, woken by time or by
 * a signal, and never advanced twice at once.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #turns = new Map<string, Turn>();
  readonly #schedule: Schedule<Turn>;
  readonly #sources: ReadonlyMap<string, SignalSource>;
  readonly #queue: FairQueue<Turn>;
  readonly #advancing = new Set<Promise<void>>();
  #open = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#queue = new FairQueue(Math.ceil(options.concurrency / 2));
    this.#schedule = new Schedule(options.clock, (turn) => this.#raise(turn));
    this.#sources = new Map(options.sources.map((source) => [source.prefix, source]));
  }

  get size(): number {
    return this.#turns.size;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get advancing(): number {
    return this.#advancing.size;
  }

  /** Takes an execution in; it sleeps until `at` or a signal. Of one that is there only the forgetting is put off. */
  add(key: ExecutionKey, details: { at: EpochMs; signals: readonly string[] }): void {
    const text = keyText(key);
    const there = this.#turns.get(text);
    if (there !== undefined) {
      there.isAddedAgain = true;
      return;
    }
    const turn: Turn = {
      namespace: key.namespace,
      id: key.id,
      at: 0,
      position: -1,
      phase: 'idle',
      again: false,
      isAddedAgain: false,
      isAlerted: false,
      failures: 0,
      subscriptions: undefined,
    };
    this.#turns.set(text, turn);
    this.#schedule.set(turn, details.at);
    this.#subscribe(turn, details.signals);
  }

  has(key: ExecutionKey): boolean {
    return this.#turns.has(keyText(key));
  }

  /** For what is told again and again until it is dealt with, such as a stop: only the first time counts. */
  raiseOnce(key: ExecutionKey): void {
    const turn = this.#turns.get(keyText(key));
    if (turn === undefined || turn.isAlerted) return;
    turn.isAlerted = true;
    this.#raise(turn);
  }

  /** Told from outside that the thing behind the signal may have changed. */
  wake(signal: string): void {
    const { source, key } = this.#sourceOf(signal);
    source?.wake?.(key);
  }

  /** Something happened that this execution should look at. Unknown keys are none of ours, or have ended. */
  raise(key: ExecutionKey): void {
    const turn = this.#turns.get(keyText(key));
    if (turn !== undefined) this.#raise(turn);
  }

  /** After an advance: sleep until `at` or a signal. */
  wait(turn: Turn, at: EpochMs, signals: readonly string[]): void {
    this.#schedule.set(turn, at);
    this.#subscribe(turn, signals);
  }

  /** After an advance: it has ended, or is gone. Where it was added again meanwhile, it is looked at once more. */
  forget(turn: Turn): void {
    if (turn.isAddedAgain) {
      turn.isAlerted = false;
      this.wait(turn, this.#options.clock.now(), []);
      return;
    }
    this.#schedule.remove(turn);
    this.#subscribe(turn, []);
    this.#turns.delete(keyText(turn));
    turn.again = false;
  }

  start(): void {
    this.#open = true;
    this.#schedule.start();
    this.#pump();
  }

  /** Starts no further advance and waits for those under way. */
  async close(): Promise<void> {
    this.#open = false;
    this.#schedule.stop();
    await Promise.all(this.#advancing);
    for (const turn of this.#turns.values()) this.#subscribe(turn, []);
  }

  #raise(turn: Turn): void {
    if (turn.phase === 'advancing') turn.again = true;
    else if (turn.phase === 'idle') {
      this.#schedule.remove(turn);
      this.#enqueue(turn);
    }
  }

  #enqueue(turn: Turn): void {
    turn.phase = 'queued';
    this.#queue.add(turn);
    // The caller's own turn ends first, so that an answer leaves before the work that it tells of begins.
    setImmediate(() => this.#pump());
  }

  #pump(): void {
    while (this.#open && this.#advancing.size < this.#options.concurrency) {
      const turn = this.#queue.take();
      if (turn === undefined) return;
      this.#run(turn);
    }
  }

  #run(turn: Turn): void {
    turn.phase = 'advancing';
    turn.again = false;
    turn.isAddedAgain = false;
    const run = this.#options.advance(turn).then(() => {
      this.#advancing.delete(run);
      this.#queue.end(turn);
      turn.phase = 'idle';
      if (turn.again) this.#raise(turn);
      this.#pump();
    });
    this.#advancing.add(run);
  }

  /** Keeps the subscriptions that go on: a new one is raised at once, so renewing all would never come to rest. */
  #subscribe(turn: Turn, signals: readonly string[]): void {
    const before = turn.subscriptions;
    if (signals.length === 0 && before === undefined) return;
    const after = new Map<string, Release>();
    turn.subscriptions = after;
    for (const signal of signals) {
      const kept = before?.get(signal);
      if (kept !== undefined) {
        after.set(signal, kept);
        before?.delete(signal);
      } else if (!after.has(signal)) this.#subscribeOne(turn, signal, after);
    }
    for (const [signal, release] of before ?? []) this.#tryWith(turn, signal, release);
    if (after.size === 0) turn.subscriptions = undefined;
  }

  #subscribeOne(turn: Turn, signal: string, subscriptions: Map<string, Release>): void {
    const { source, key } = this.#sourceOf(signal);
    if (source === undefined) {
      this.#options.log.error({ execution: keyText(turn), signal }, 'no source for this signal; only time wakes it');
      return;
    }
    const isSubscribed = this.#tryWith(turn, signal, () => {
      const release = source.subscribe(key, () => this.#raise(turn));
      subscriptions.set(signal, release);
    });
    if (!isSubscribed) this.#schedule.set(turn, Math.min(turn.at, this.#options.clock.now() + resubscribeMs));
  }

  #sourceOf(signal: string): { readonly source: SignalSource | undefined; readonly key: string } {
    const colon = signal.indexOf(':');
    return { source: this.#sources.get(signal.slice(0, colon)), key: signal.slice(colon + 1) };
  }

  /** A source that throws must not take the others down with it: not at the start, and not between two advances. */
  #tryWith(turn: Turn, signal: string, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#options.log.error({ execution: keyText(turn), signal, err: error }, 'a source of signals failed');
      return false;
    }
  }
}
