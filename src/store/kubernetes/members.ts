import type { Logger } from 'pino';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/time.ts';
import type { ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import { part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import { ListWatch } from '../../providers/kubernetes/list-watch.ts';
import type { MonotonicMs } from './own-lease.ts';

export interface MembersOptions {
  readonly api: ClusterApi;
  readonly collection: string;
  /** `aftersync.dev/replicas=aftersync` */
  readonly labelSelector: string;
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly monotonicMs: MonotonicMs;
  readonly log: Logger;
  readonly random: () => number;
  /** A member came or went. */
  readonly onChange: () => void;
}

/** How an incarnation ended. */
export interface Death {
  /** By our own monotonic clock: when we learned of it, which is never before its end. */
  readonly atMs: number;
  /** It ended by itself, after all that it had sent was answered or given up. */
  readonly isReleased: boolean;
}

interface Member {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly durationMs: number;
  /** Since when nothing else was seen, without a gap in what we see. */
  readonly seenAtMs: number;
  readonly isReleased: boolean;
}

/** Slower than any clock that could be meant, for an observer must never be faster than the observed. */
const patience = 1.1;
/** Of the many that were: what is asked for once more is looked up anew. */
const mostDead = 1_000;

/**
 * The living and the dead. An incarnation lives while its Lease is there. Who has not renewed it for a whole lease, by our own
 * clock and without a gap in what we saw, is looked at once more, and then its Lease is deleted at that very version: a
 * renewal that comes late fails.
 */
export class Members {
  readonly #options: MembersOptions;
  readonly #living = new Map<string, Member>();
  readonly #dead = new Map<string, Death>();
  readonly #asked = new Set<string>();
  readonly #watch: ListWatch;
  #cancelTimer = () => {};
  #isClosed = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    const { collection: path, labelSelector, ...rest } = options;
    this.#watch = new ListWatch({
      ...rest,
      path,
      labelSelector,
      onList: (items) => this.#see(items),
      onEvent: (type, object) => {
        if (type === 'DELETED') this.#died(nameOf(object));
        else this.#saw(object);
      },
      onGap: () => this.#seeAnew(),
    });
  }

  /** Resolves with the first list. */
  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  get living(): Iterable<string> {
    return this.#living.keys();
  }

  isLiving(name: string): boolean {
    return this.#living.has(name);
  }

  /** Undefined for the living, and for those of whom nothing is known: that is asked for, and told by onChange. */
  deathOf(name: string): Death | undefined {
    const death = this.#dead.get(name);
    if (death === undefined && !this.#living.has(name)) void this.#ask(name);
    return death;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#watch.close();
  }

  #see(items: readonly JsonObject[]): void {
    const names = new Set(items.map(nameOf));
    for (const name of [...this.#living.keys()]) if (!names.has(name)) this.#died(name);
    for (const item of items) this.#saw(item);
  }

  #saw(lease: JsonObject): void {
    const { monotonicMs, onChange } = this.#options;
    const name = nameOf(lease);
    const metadata = part(lease, 'metadata');
    const spec = part(lease, 'spec');
    const resourceVersion = text(metadata, 'resourceVersion');
    const before = this.#living.get(name);
    if (before?.resourceVersion === resourceVersion) return;
    this.#living.set(name, {
      uid: text(metadata, 'uid'),
      resourceVersion,
      durationMs: Number(spec.leaseDurationSeconds ?? 0) * 1_000,
      seenAtMs: monotonicMs(),
      isReleased: text(spec, 'holderIdentity') === '',
    });
    this.#judgeLater();
    if (before === undefined) onChange();
  }

  /** What happened in the gap is not known: everybody has a whole lease from here. */
  #seeAnew(): void {
    const seenAtMs = this.#options.monotonicMs();
    for (const [name, member] of this.#living) this.#living.set(name, { ...member, seenAtMs });
    this.#judgeLater();
  }

  #died(name: string): void {
    const isReleased = this.#living.get(name)?.isReleased ?? false;
    this.#living.delete(name);
    this.#bury(name, { atMs: this.#options.monotonicMs(), isReleased });
  }

  #bury(name: string, death: Death): void {
    if (this.#dead.has(name)) return;
    this.#dead.set(name, death);
    for (const oldest of this.#dead.keys()) {
      if (this.#dead.size <= mostDead) break;
      this.#dead.delete(oldest);
    }
    this.#options.onChange();
  }

  /** A holder whose Lease no list has shown: it may be so new that its event is still to come. */
  async #ask(name: string): Promise<void> {
    if (this.#asked.has(name) || this.#isClosed) return;
    this.#asked.add(name);
    try {
      const { api, collection, monotonicMs } = this.#options;
      const answer = await api.get(`${collection}/${encodeURIComponent(name)}`);
      if (answer.status === 404) this.#bury(name, { atMs: monotonicMs(), isReleased: false });
      else if (answer.status === 200 && isJsonObject(answer.body)) this.#saw(answer.body);
    } catch (error) {
      this.#options.log.warn({ err: error, lease: name }, 'whether a holder lives could not be found out');
      const { clock } = this.#options;
      clock.at(clock.now() + 1_000, () => this.#isClosed || this.#options.onChange());
    } finally {
      this.#asked.delete(name);
    }
  }

  /** One timer for all: when the next of the living would be overdue. */
  #judgeLater(): void {
    const { clock, monotonicMs } = this.#options;
    this.#cancelTimer();
    const dueAtMs = Math.min(...[...this.#living.values()].map(overdueAtMs));
    if (this.#isClosed || !Number.isFinite(dueAtMs)) return;
    const delayMs = Math.max(0, Math.ceil(dueAtMs - monotonicMs()));
    this.#cancelTimer = clock.at(clock.now() + delayMs, () => void this.#judge());
  }

  async #judge(): Promise<void> {
    const nowMs = this.#options.monotonicMs();
    const overdue = [...this.#living].filter(([, member]) => overdueAtMs(member) <= nowMs);
    await Promise.all(overdue.map(([name, member]) => this.#claim(name, member)));
    this.#judgeLater();
  }

  async #claim(name: string, { uid, resourceVersion, isReleased }: Member): Promise<void> {
    const { api, collection, log, monotonicMs } = this.#options;
    const path = `${collection}/${encodeURIComponent(name)}`;
    try {
      // Live, for the watch may lag behind.
      const live = await api.get(path);
      const isThere = live.status === 200 && isJsonObject(live.body);
      if (isThere && text(part(live.body as JsonObject, 'metadata'), 'resourceVersion') !== resourceVersion) {
        return this.#saw(live.body as JsonObject);
      }
      if (!isThere && live.status !== 404) throw api.refusal(live, { act: 'get leases', grant: 'get on leases' });
      const body = { preconditions: { uid, resourceVersion } };
      const claimed = isThere ? await api.write({ method: 'DELETE', path, body }) : live;
      if (claimed.status === 409) return this.#postpone(name);
      if (claimed.status !== 200 && claimed.status !== 404) {
        throw api.refusal(claimed, { act: 'delete leases', grant: 'delete on leases' });
      }
      log.warn({ holder: name }, 'a replica is gone: its executions are taken over');
      this.#living.delete(name);
      this.#bury(name, { atMs: monotonicMs(), isReleased });
    } catch (error) {
      log.warn({ err: error, holder: name }, 'a lease that has run out could not be claimed; trying again');
      this.#postpone(name);
    }
  }

  /** It counts as seen just now. */
  #postpone(name: string): void {
    const member = this.#living.get(name);
    if (member !== undefined) this.#living.set(name, { ...member, seenAtMs: this.#options.monotonicMs() });
  }
}

function overdueAtMs({ seenAtMs, durationMs, isReleased }: Member): number {
  // A released one is deleted by its process a moment later, if that still lives.
  return seenAtMs + (isReleased ? 1_000 : durationMs * patience);
}

function nameOf(lease: JsonObject): string {
  return text(part(lease, 'metadata'), 'name');
}
