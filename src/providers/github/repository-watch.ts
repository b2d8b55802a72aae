import { Rejected } from '../../core/effect.ts';
import type { Scheduled } from '../../core/schedule.ts';
import type { Release } from '../../core/signal.ts';
import type { EpochMs } from '../../core/time.ts';
import { isEnded, type RunState } from './workflow-run.ts';
import type { RunPage, RunPlace, WorkflowRuns } from './workflow-runs.ts';

/** Of those that the list does not show, so many are read by themselves in one look; the others have their turn later. */
const mostSingleReads = 5;

/** The runs of one repository that anything waits for, and one look at all of them. */
export class RepositoryWatch implements Scheduled {
  at: EpochMs = 0;
  position = -1;
  /** Looks in a row that failed. */
  failures = 0;
  /** A look is due or under way: when the next one is comes with its end. */
  isBusy = false;
  /** When a webhook told of one of the runs. */
  toldAt: EpochMs = 0;
  /** In lower case. */
  readonly repository: string;
  readonly #source: WorkflowRuns;
  readonly #runs = new Map<number, WatchedRun>();
  /** As they were listed last, from the first on. */
  readonly #pages: RunPage[] = [];

  constructor(repository: string, source: WorkflowRuns) {
    this.repository = repository;
    this.#source = source;
  }

  get isUnused(): boolean {
    return this.#runs.size === 0;
  }

  subscribe(runId: number, raise: () => void, now: EpochMs): Release {
    const watched = this.#runs.get(runId) ?? new WatchedRun({ repository: this.repository, runId }, now);
    this.#runs.set(runId, watched);
    const release = watched.subscribe(raise);
    return () => {
      release();
      if (watched.isUnused && this.#runs.get(runId) === watched) this.#runs.delete(runId);
    };
  }

  /** A webhook tells of the run. False: nobody waits for it. */
  tell(runId: number, now: EpochMs): boolean {
    const watched = this.#runs.get(runId);
    if (watched === undefined) return false;
    this.toldAt = now;
    watched.raiseAll();
    return true;
  }

  /** When the one that is waited for the shortest time was first waited for. By our own clock, for GitHub's may be off. */
  get newestSince(): EpochMs {
    let newest = 0;
    for (const { since } of this.#runs.values()) newest = Math.max(newest, since);
    return newest;
  }

  /** There is a run that no look has shown yet. */
  get hasUnseen(): boolean {
    return [...this.#runs.values()].some(({ run }) => run === undefined);
  }

  /**
   * Raises those whose run is not what was seen before or has ended, and each subscriber once. A refusal is raised too, for
   * who waits is to read it and say so. Throws what kept it from looking.
   */
  async look(now: EpochMs, signal: AbortSignal): Promise<void> {
    const [first, second] = this.#runs.values();
    if (first === undefined) return;
    if (second === undefined) return await this.#read(first, now, signal);
    const unlisted = await this.#readList(signal);
    unlisted.sort((a, b) => a.readAt - b.readAt);
    for (const watched of unlisted.slice(0, mostSingleReads)) await this.#read(watched, now, signal);
  }

  /**
   * Gives those that the list lacks: it lags and has lost runs, so that absence proves nothing. Further pages are read only
   * where that costs less than reading by itself each one that may stand there.
   */
  async #readList(signal: AbortSignal): Promise<WatchedRun[]> {
    let unlisted = [...this.#runs.values()];
    try {
      for (let page = 1; page === 1 || unlisted.length > mostSingleReads; page++) {
        const known = this.#pages[page - 1];
        const found = await this.#source.newest(this.repository, { page, known }, signal);
        this.#pages[page - 1] = found;
        unlisted = unlisted.filter((watched) => {
          const run = found.runs.get(watched.place.runId);
          if (run !== undefined) watched.show(run);
          return run === undefined;
        });
        if (found.isLast) break;
      }
    } catch (error) {
      if (error instanceof Rejected) for (const watched of this.#runs.values()) watched.raiseAll();
      throw error;
    }
    return unlisted;
  }

  async #read(watched: WatchedRun, now: EpochMs, signal: AbortSignal): Promise<void> {
    // Before it is known whether this succeeds: one that cannot be read does not keep the others from their turn.
    watched.readAt = now;
    try {
      watched.show(await this.#source.get(watched.place, signal));
    } catch (error) {
      if (error instanceof Rejected) watched.raiseAll();
      throw error;
    }
  }
}

interface Subscription {
  readonly raise: () => void;
  /** Nothing was read since it began. */
  isNew: boolean;
}

class WatchedRun {
  readonly place: RunPlace;
  /** As it was seen last; undefined also where GitHub does not show it. */
  run: RunState | undefined;
  /** When it was last read by itself. */
  readAt: EpochMs = 0;
  /** When it was first waited for. */
  readonly since: EpochMs;
  readonly #subscriptions = new Set<Subscription>();

  constructor(place: RunPlace, since: EpochMs) {
    this.place = place;
    this.since = since;
  }

  get isUnused(): boolean {
    return this.#subscriptions.size === 0;
  }

  subscribe(raise: () => void): Release {
    const subscription = { raise, isNew: true };
    this.#subscriptions.add(subscription);
    return () => this.#subscriptions.delete(subscription);
  }

  /** Takes in what a read has shown. */
  show(run: RunState | undefined): void {
    // A list may lag behind what was read of a run by itself.
    const isOutdated = run !== undefined && this.run !== undefined && run.updatedAt < this.run.updatedAt;
    // Whoever still waits for one that has ended was raised, and then read it from a server of GitHub's that lagged behind.
    const isNews = !isOutdated && (!isSame(this.run, run) || (run !== undefined && isEnded(run)));
    if (!isOutdated) this.run = run;
    for (const subscription of [...this.#subscriptions]) {
      if (!subscription.isNew && !isNews) continue;
      subscription.isNew = false;
      subscription.raise();
    }
  }

  raiseAll(): void {
    for (const { raise } of [...this.#subscriptions]) raise();
  }
}

function isSame(a: RunState | undefined, b: RunState | undefined): boolean {
  return (
    a?.status === b?.status &&
    a?.conclusion === b?.conclusion &&
    a?.attempt === b?.attempt &&
    a?.updatedAt === b?.updatedAt
  );
}
