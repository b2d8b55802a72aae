import type { Logger } from 'pino';
import { type Execution, isFinal, isOpen, keyText } from '../core/execution.ts';
import type { Held, Holding } from '../core/holding.ts';
import type { Release } from '../core/signal.ts';
import type { ExecutionStore, UnfinishedEntry } from '../core/store.ts';
import type { Clock, EpochMs } from '../core/time.ts';
import { createStop } from './stop.ts';
import type { Turns } from './turns.ts';

/** Everything that is overdue after a restart comes within this time per thousand, so that no provider meets all of it at once. */
const spreadMsPerThousand = 100;

export interface SharesOptions {
  readonly store: ExecutionStore;
  readonly turns: Turns;
  /** By key, those whose record was deleted before what they had sent came to its end. */
  readonly gone: Map<string, Execution>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** Absent where no other process shares the store: then all is ours. */
  readonly holding: Holding | undefined;
}

/** Which of the store's unfinished executions have their turns in this process. */
export class Shares {
  readonly #options: SharesOptions;
  readonly #releases: Release[] = [];
  #taking: Promise<void> = Promise.resolve();

  constructor(options: SharesOptions) {
    this.#options = options;
  }

  /** Takes in all that is ours, and from now on what becomes ours. */
  async open(): Promise<void> {
    const { store, holding } = this.#options;
    if (holding !== undefined) {
      this.#releases.push(
        store.watch(
          (execution) => this.#see(execution),
          (execution) => this.#lose(execution),
        ),
      );
      this.#releases.push(holding.watch(() => this.#takeAllLater()));
    }
    await this.#takeAll();
  }

  close(): void {
    for (const release of this.#releases) release();
  }

  /** One that was just asked for. */
  take(execution: Execution): void {
    const { turns, holding } = this.#options;
    const { createdAt, status } = execution;
    if (isFinal(status.state)) return;
    const since = holding === undefined ? createdAt : holding.claim(heldOf(execution));
    if (since !== undefined) turns.add(execution, { at: Math.max(since, createdAt), signals: [] });
  }

  /** What any process has stored. A stop and a signal are what others may store of an execution that is ours. */
  #see(execution: Execution): void {
    const { turns } = this.#options;
    const { stop, state, signal } = execution.status;
    const isToEnd = stop !== undefined || isFinal(state);
    if (isToEnd && turns.has(execution)) turns.raiseOnce(execution);
    else this.take(execution);
    if (signal === undefined || !turns.has(execution)) return;
    // Each time: an advance under way may have looked before this was heard of.
    turns.wake(signal);
    turns.raise(execution);
  }

  /** The record was deleted. Who deletes it wants its end, which goes on from memory where something was sent. */
  #lose(execution: Execution): void {
    const { turns, gone, clock, holding } = this.#options;
    const { state, holder, effects } = execution.status;
    if (!turns.has(execution) || isFinal(state)) return;
    if (effects.length > 0 && holder !== undefined && holder === holding?.holder) {
      const wish = { reason: 'Cancelled', at: clock.now(), message: 'its record was deleted' } as const;
      const stop = execution.status.stop ?? createStop(execution.status, wish);
      gone.set(keyText(execution), { ...execution, status: { ...execution.status, stop } });
    }
    turns.raise(execution);
  }

  /** One after the other: a second change that comes meanwhile is looked at anew. */
  #takeAll(): Promise<void> {
    const taking = this.#taking.then(() => this.#takeUnfinished());
    this.#taking = taking.catch(() => undefined);
    return taking;
  }

  #takeAllLater(): void {
    this.#takeAll().catch((error: unknown) => {
      const { log } = this.#options;
      log.error({ err: error }, 'what became ours could not be read; the next change of the replicas reads it again');
    });
  }

  /** What was perhaps sent is due at once, then what was stopped or is overdue, spread a little. */
  async #takeUnfinished(): Promise<void> {
    const { store, turns, clock, random, holding } = this.#options;
    const now = clock.now();
    for await (const block of store.unfinished()) {
      for (const entry of block) {
        const since = holding === undefined ? now : holding.claim(entry);
        if (since === undefined) continue;
        const at = Math.max(since, dueAt(entry, now, turns.size, random));
        turns.add(entry, { at, signals: entry.signals });
      }
    }
  }
}

export function heldOf({ namespace, id, status }: Execution): Held {
  return { namespace, id, holder: status.holder, hasOpenEffect: status.effects.some(isOpen) };
}

function dueAt(entry: UnfinishedEntry, now: EpochMs, count: number, random: () => number): EpochMs {
  if (entry.hasOpenEffect) return now;
  const isDue = entry.isStopped || (entry.wakeAt === undefined && entry.signals.length === 0);
  const at = isDue ? now : Math.min(entry.wakeAt ?? entry.deadline, entry.deadline);
  return at > now ? at : now + 1 + (random() * count * spreadMsPerThousand) / 1_000;
}
