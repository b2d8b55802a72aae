import type { Logger } from 'pino';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/time.ts';
import type { ApiAnswer, ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import { part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import type { ListWatch } from '../../providers/kubernetes/list-watch.ts';
import { openListWatch } from './first-list.ts';
import { incarnationOf, leasePathOf, leasesPath } from './incarnation.ts';
import type { MonotonicMs } from './own-lease.ts';

export interface MembersOptions {
  readonly api: ClusterApi;
  /** Where their Leases are. */
  readonly namespace: string;
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
  readonly path: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly durationMs: number;
  /** Since when nothing else was seen, without a gap in what we see. */
  readonly seenAtMs: number;
  readonly isReleased: boolean;
}

/** Slower than any clock that could be meant, for an observer must never be faster than the observed. */
const patience = 1.1;
/** Its process deletes it a moment after it has given it back, if that still lives. */
const releasedMs = 1_000;
/** Of the many that were: what is asked for once more is looked up anew. */
const mostDead = 1_000;
/** When a holder of whom nothing could be found out is asked for again. */
const askAgainMs = 10_000;

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
  /** Resolves with the first list; rejects where the Leases cannot be watched. */
  readonly ready: Promise<void>;
  #cancelTimer = () => {};

  constructor(options: MembersOptions) {
    this.#options = options;
    const { namespace, ...rest } = options;
    const { watch, ready } = openListWatch({
      ...rest,
      path: leasesPath(namespace),
      onList: (leases, resourceVersion) => this.#see(leases, resourceVersion),
      onEvent: (type, lease) => (type === 'DELETED' ? this.#gone(nameOf(lease), isReleased(lease)) : this.#saw(lease)),
      onGap: () => this.#seeAnew(),
    });
    this.#watch = watch;
    this.ready = ready;
  }

  /** Those that take their share. */
  *living(): Iterable<string> {
    for (const [name, member] of this.#living) if (!member.isReleased) yield name;
  }

  /** Undefined for the living, and for those of whom nothing is known: that is asked for, and told by onChange. */
  deathOf(name: string): Death | undefined {
    const death = this.#dead.get(name);
    if (death === undefined && !this.#living.has(name)) void this.#ask(name);
    return death;
  }

  close(): void {
    this.#cancelTimer();
    this.#watch.close();
  }

  get #isClosed(): boolean {
    return this.#watch.ending.aborted;
  }

  #see(leases: readonly JsonObject[], resourceVersion: string): void {
    const names = new Set(leases.map(nameOf));
    for (const [name, member] of [...this.#living]) {
      // One that was seen by other means may be newer than the list.
      const isCovered = BigInt(member.resourceVersion) <= BigInt(resourceVersion);
      if (isCovered && !names.has(name)) this.#gone(name, member.isReleased);
    }
    for (const lease of leases) this.#saw(lease);
  }

  #saw(lease: JsonObject): void {
    const name = nameOf(lease);
    const metadata = part(lease, 'metadata');
    const resourceVersion = text(metadata, 'resourceVersion');
    const before = this.#living.get(name);
    // No name comes back: this is an event from before its end. And so may be what was read live, of the other.
    if (this.#dead.has(name) || (before !== undefined && !isNewer(resourceVersion, before))) return;
    const { leaseDurationSeconds } = part(lease, 'spec');
    this.#living.set(name, {
      path: `${leasesPath(text(metadata, 'namespace'))}/${text(metadata, 'name')}`,
      uid: text(metadata, 'uid'),
      resourceVersion,
      durationMs: typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds * 1_000 : 0,
      seenAtMs: this.#options.monotonicMs(),
      isReleased: isReleased(lease),
    });
    this.#judgeLater();
    if (before === undefined) this.#options.onChange();
  }

  /** What happened in the gap is not known: everybody has a whole lease from here. */
  #seeAnew(): void {
    for (const name of this.#living.keys()) this.#postpone(name);
    this.#judgeLater();
  }

  #gone(name: string, isReleased: boolean): void {
    this.#living.delete(name);
    if (this.#dead.has(name)) return;
    this.#dead.set(name, { atMs: this.#options.monotonicMs(), isReleased });
    for (const oldest of this.#dead.keys()) {
      if (this.#dead.size <= mostDead) break;
      this.#dead.delete(oldest);
    }
    this.#options.onChange();
  }

  /** A holder whose Lease no list has shown: one so new that its event is still to come, one long gone, or a stranger. */
  async #ask(name: string): Promise<void> {
    if (this.#asked.has(name) || this.#isClosed) return;
    const path = leasePathOf(name);
    if (path === undefined) return this.#gone(name, false);
    this.#asked.add(name);
    const { api, log, namespace, clock, onChange } = this.#options;
    try {
      const answer = await api.get(path);
      if (answer.status !== 404 && answer.status !== 200) throw refusalOf(api, answer, 'get');
      if (answer.status === 404) this.#gone(name, false);
      else if (path.startsWith(`${leasesPath(namespace)}/`)) this.#saw(answer.body as JsonObject);
      else
        log.warn({ holder: name }, 'an executor in another namespace works on the same executions: let only one do so');
    } catch (error) {
      log.warn({ err: error, holder: name }, 'whether a holder lives could not be found out; asking again');
    }
    const isKnown = this.#dead.has(name) || this.#living.has(name);
    if (isKnown) this.#asked.delete(name);
    else {
      clock.at(clock.now() + askAgainMs, () => {
        this.#asked.delete(name);
        if (!this.#isClosed) onChange();
      });
    }
  }

  /** One timer for all: when the next of the living would be overdue. */
  #judgeLater(): void {
    const { clock, monotonicMs } = this.#options;
    this.#cancelTimer();
    const dueAtMs = Math.min(...[...this.#living.values()].map(overdueAtMs));
    if (this.#isClosed || dueAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, Math.ceil(dueAtMs - monotonicMs()));
    this.#cancelTimer = clock.at(clock.now() + delayMs, () => void this.#judge());
  }

  async #judge(): Promise<void> {
    const nowMs = this.#options.monotonicMs();
    const overdue = [...this.#living].filter(([, member]) => overdueAtMs(member) <= nowMs);
    await Promise.all(overdue.map(([name, member]) => this.#claim(name, member)));
    this.#judgeLater();
  }

  async #claim(name: string, { path, uid, resourceVersion, isReleased: hasReleased }: Member): Promise<void> {
    const { api, log } = this.#options;
    try {
      // Live, for the watch may lag behind.
      const live = await api.get(path);
      if (live.status === 404) return this.#gone(name, hasReleased);
      if (live.status !== 200 || !isJsonObject(live.body)) throw refusalOf(api, live, 'get');
      if (text(part(live.body, 'metadata'), 'resourceVersion') !== resourceVersion) return this.#saw(live.body);
      const body = { preconditions: { uid, resourceVersion } };
      const claimed = await api.write({ method: 'DELETE', path, body });
      // Renewed at the last moment: the event tells.
      if (claimed.status === 409) return this.#postpone(name);
      if (claimed.status !== 200 && claimed.status !== 404) throw refusalOf(api, claimed, 'delete');
      log.warn({ holder: name }, 'a replica is gone: its executions are taken over');
      this.#gone(name, hasReleased);
    } catch (error) {
      if (this.#isClosed) return;
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

function overdueAtMs({ seenAtMs, durationMs, isReleased: hasReleased }: Member): number {
  return seenAtMs + (hasReleased ? releasedMs : durationMs * patience);
}

/** Resource versions are numbers that grow (KEP-5504). */
function isNewer(resourceVersion: string, than: Member): boolean {
  return BigInt(resourceVersion) > BigInt(than.resourceVersion);
}

function isReleased(lease: JsonObject): boolean {
  return text(part(lease, 'spec'), 'holderIdentity') === '';
}

function nameOf(lease: JsonObject): string {
  const metadata = part(lease, 'metadata');
  return incarnationOf({ namespace: text(metadata, 'namespace'), name: text(metadata, 'name') });
}

function refusalOf(api: ClusterApi, answer: ApiAnswer, verb: string): Error {
  return api.refusal(answer, { act: `${verb} leases`, grant: `${verb} on leases.coordination.k8s.io` });
}
