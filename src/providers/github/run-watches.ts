import type { Logger } from 'pino';
import { NotSent } from '../../core/effect.ts';
import { LruMap } from '../../core/lru-map.ts';
import { Schedule } from '../../core/schedule.ts';
import type { Release } from '../../core/signal.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import { pollPauseMs } from './poll-interval.ts';
import type { RateBudget } from './rate-budget.ts';
import { RepositoryWatch } from './repository-watch.ts';
import type { RunPlace, WorkflowRuns } from './workflow-runs.ts';

/** GitHub lets nobody make more than 100 requests at once. */
const mostLooksAtOnce = 8;
const longestBackoffMs = 60_000;
/** Webhooks come late, twice or never: how often runs are looked at where they do come, and how long that is believed. */
const sweepMs = 2 * 60_000;
const webhookCountsForMs = 24 * 3_600_000;
const rememberedRepositories = 10_000;

export interface RunWatchesOptions {
  readonly runs: WorkflowRuns;
  readonly budget: RateBudget;
  readonly pollIntervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The runs that executions wait for. However many there are, a repository costs one conditional request for each interval,
 * which is free while nothing changes; and with the last that waits for one of its runs it costs nothing.
 */
export class RunWatches {
  readonly #options: RunWatchesOptions;
  readonly #watches = new Map<string, RepositoryWatch>();
  readonly #schedule: Schedule<RepositoryWatch>;
  readonly #due: RepositoryWatch[] = [];
  /** By repository, when a webhook told of one of its runs. */
  readonly #heardAt = new LruMap<string, EpochMs>(rememberedRepositories);
  readonly #closing = new AbortController();
  #looks = 0;

  constructor(options: RunWatchesOptions) {
    this.#options = options;
    this.#schedule = new Schedule(options.clock, (watch) => this.#enqueue(watch));
    this.#schedule.start();
  }

  /** How many repositories are looked at. */
  get size(): number {
    return this.#watches.size;
  }

  /** Raises when the run may have changed, and once from the first look after this call. */
  subscribe({ repository, runId }: RunPlace, raise: () => void): Release {
    const watch = this.#watches.get(repository) ?? new RepositoryWatch(repository, this.#options.runs);
    this.#watches.set(repository, watch);
    const release = watch.subscribe(runId, raise, this.#options.clock.now());
    this.#lookSoon(watch);
    return () => {
      release();
      if (!watch.isUnused || this.#watches.get(repository) !== watch) return;
      this.#watches.delete(repository);
      this.#schedule.remove(watch);
    };
  }

  /** A webhook says that something happened to the run. What, tells the read of who waits. */
  wake({ repository, runId }: RunPlace): void {
    const now = this.#options.clock.now();
    this.#heardAt.set(repository, now);
    const watch = this.#watches.get(repository);
    // Once more, for what GitHub answers to a read may be older than what its webhook told.
    if (watch?.tell(runId, now)) this.#lookSoon(watch);
  }

  close(): void {
    this.#closing.abort();
    this.#schedule.stop();
  }

  #lookSoon(watch: RepositoryWatch): void {
    if (watch.isBusy) return;
    const at = this.#options.clock.now() + this.#options.budget.stretch(this.#options.pollIntervalMs);
    this.#schedule.set(watch, watch.position === -1 ? at : Math.min(watch.at, at));
  }

  #enqueue(watch: RepositoryWatch): void {
    watch.isBusy = true;
    this.#due.push(watch);
    this.#lookAtDue();
  }

  #lookAtDue(): void {
    while (this.#looks < mostLooksAtOnce) {
      const watch = this.#due.shift();
      if (watch === undefined) return;
      this.#looks += 1;
      void this.#look(watch).then((at) => {
        this.#looks -= 1;
        watch.isBusy = false;
        if (this.#watches.get(watch.repository) === watch) this.#schedule.set(watch, at);
        this.#lookAtDue();
      });
    }
  }

  /** Gives when to look again. */
  async #look(watch: RepositoryWatch): Promise<EpochMs> {
    const { clock, log } = this.#options;
    const startedAt = clock.now();
    let notBefore = 0;
    try {
      await watch.look(startedAt, this.#closing.signal);
      watch.failures = 0;
    } catch (error) {
      watch.failures += 1;
      if (error instanceof NotSent) notBefore = error.notBefore ?? 0;
      if (!this.#closing.signal.aborted) {
        log.warn({ err: error, repository: watch.repository }, 'the runs of a repository could not be looked at');
      }
    }
    return Math.max(notBefore, clock.now() + this.#pauseMs(watch, startedAt));
  }

  #pauseMs(watch: RepositoryWatch, startedAt: EpochMs): number {
    const { budget } = this.#options;
    const pauseMs = this.#pauseIfAllIsWellMs(watch, startedAt);
    const backoffMs = Math.min(pauseMs * 2 ** watch.failures, longestBackoffMs);
    return budget.stretch(Math.max(pauseMs, backoffMs));
  }

  #pauseIfAllIsWellMs(watch: RepositoryWatch, startedAt: EpochMs): number {
    const { clock, pollIntervalMs } = this.#options;
    // The look may have been too early to show what a webhook told right before it, or meanwhile.
    if (startedAt < watch.toldAt + pollIntervalMs) return pollIntervalMs;
    const now = clock.now();
    const pauseMs = pollPauseMs(pollIntervalMs, now - watch.newestSince);
    // One that was never seen is looked at in any case: what happened before it was waited for came by no webhook.
    return !watch.hasUnseen && this.#hearsOf(watch.repository, now) ? Math.max(pauseMs, sweepMs) : pauseMs;
  }

  /** Whether webhooks will tell of what happens next. */
  #hearsOf(repository: string, now: EpochMs): boolean {
    const heardAt = this.#heardAt.get(repository);
    return heardAt !== undefined && now < heardAt + webhookCountsForMs;
  }
}
