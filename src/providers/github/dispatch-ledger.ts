import { LruMap } from '../../core/lru-map.ts';
import type { Clock, EpochMs } from '../../core/time.ts';

/** Far more than are started within any search for a run: 500 an hour is GitHub's own limit. */
const rememberedRuns = 10_000;

/** `looking`: it was sent, or may have been, and which run is its own is not known. `conceded`: nor will it ever be. */
export type DispatchPhase = 'sending' | 'looking' | 'conceded';

export interface OpenDispatch {
  /** Repository, workflow and branch: what runs without a mark have in common. */
  readonly target: string;
  /** The execution. */
  readonly owner: string;
}

interface OpenEntry {
  readonly phase: DispatchPhase;
  readonly since: EpochMs;
  readonly until: EpochMs;
  /** GitHub said yes, but named no run. */
  readonly isAccepted: boolean;
}

/**
 * What this process knows of its own dispatches, so that no run is ever taken for that of two executions. Only in memory:
 * each execution enters itself again with its next advance after a restart.
 */
export class DispatchLedger {
  /** Of dispatches before this moment others may exist that have not entered themselves yet. */
  readonly openedAt: EpochMs;
  readonly #clock: Clock;
  readonly #owners = new LruMap<number, string>(rememberedRuns);
  readonly #open = new Map<string, Map<string, OpenEntry>>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.openedAt = clock.now();
  }

  /** `until`: when it counts as closed though nobody closed it, such as that of an execution that was deleted. */
  enter({ target, owner }: OpenDispatch, phase: DispatchPhase, until: EpochMs): void {
    const entries = this.#open.get(target) ?? new Map<string, OpenEntry>();
    const isAccepted = entries.get(owner)?.isAccepted ?? false;
    entries.set(owner, { phase, since: this.#clock.now(), until, isAccepted });
    this.#open.set(target, entries);
  }

  noteAccepted({ target, owner }: OpenDispatch): void {
    const entry = this.#open.get(target)?.get(owner);
    if (entry !== undefined) this.#open.get(target)?.set(owner, { ...entry, isAccepted: true });
  }

  isAccepted({ target, owner }: OpenDispatch): boolean {
    return this.#open.get(target)?.get(owner)?.isAccepted ?? false;
  }

  close({ target, owner }: OpenDispatch): void {
    const entries = this.#open.get(target);
    entries?.delete(owner);
    if (entries?.size === 0) this.#open.delete(target);
  }

  /**
   * The phases of other executions' dispatches of the same target that still wait for their run. With `sentAt` also of
   * those that have given up since then: their run may exist all the same.
   */
  others({ target, owner }: OpenDispatch, sentAt = Number.POSITIVE_INFINITY): DispatchPhase[] {
    const now = this.#clock.now();
    const phases: DispatchPhase[] = [];
    for (const [other, { phase, since, until }] of this.#open.get(target) ?? []) {
      if (until <= now) this.close({ target, owner: other });
      else if (other !== owner && (phase !== 'conceded' || since >= sentAt)) phases.push(phase);
    }
    return phases;
  }

  bind(runId: number, owner: string): void {
    this.#owners.set(runId, owner);
  }

  isOfAnother(runId: number, owner: string): boolean {
    const known = this.#owners.get(runId);
    return known !== undefined && known !== owner;
  }
}
