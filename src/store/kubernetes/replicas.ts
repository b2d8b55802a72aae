import type { Logger } from 'pino';
import { toBase32 } from '../../core/base32.ts';
import { keyText } from '../../core/execution.ts';
import type { Held, Holding } from '../../core/holding.ts';
import type { Release } from '../../core/signal.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import type { ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import { incarnationOf, leasesPath } from './incarnation.ts';
import { Members } from './members.ts';
import { type MonotonicMs, OwnLease } from './own-lease.ts';
import { ownerOf } from './rendezvous.ts';

export interface ReplicasOptions {
  readonly api: ClusterApi;
  /** Where the Leases are: the executor's own. */
  readonly namespace: string;
  /** What all replicas of one executor have in common. A DNS label. */
  readonly group: string;
  readonly leaseMs: number;
  /** How long what was sent may still arrive after its process was last heard of. */
  readonly sendMs: number;
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly monotonicMs?: MonotonicMs;
}

const groupLabel = 'aftersync.dev/replicas';
const rejoinMs = 1_000;

/** The replicas of one executor: none special, each with a Lease, each with its share (DESIGN 7a). */
export class Replicas implements Holding {
  readonly #options: Required<ReplicasOptions>;
  readonly #members: Members;
  readonly #watchers = new Set<() => void>();
  #own: { readonly name: string; readonly lease: OwnLease } | undefined;
  #joining: Promise<void> = Promise.resolve();
  #cancelRejoin = () => {};
  #isClosed = false;

  private constructor(options: ReplicasOptions) {
    this.#options = { monotonicMs: () => performance.now(), ...options };
    this.#members = new Members({
      ...this.#options,
      labelSelector: `${groupLabel}=${options.group}`,
      onChange: () => this.#tell(),
    });
  }

  /** Joins, and knows the others. Throws where the cluster does not take a Lease. */
  static async join(options: ReplicasOptions): Promise<Replicas> {
    const replicas = new Replicas(options);
    try {
      await replicas.#members.ready;
      await replicas.#join();
    } catch (error) {
      replicas.#members.close();
      throw error;
    }
    return replicas;
  }

  get holder(): string | undefined {
    return this.#own?.lease.isAlive ? this.#own.name : undefined;
  }

  isAlive(holder: string): boolean {
    return this.#own?.name === holder && this.#own.lease.isAlive;
  }

  claim({ holder, hasOpenEffect, ...key }: Held): EpochMs | undefined {
    const me = this.holder;
    if (me === undefined) return undefined;
    if (holder === me) return 0;
    const death = holder === undefined ? undefined : this.#members.deathOf(holder);
    if (holder !== undefined && death === undefined) return undefined;
    if (ownerOf(keyText(key), [...this.#members.living(), me]) !== me) return undefined;
    if (death === undefined || death.isReleased || !hasOpenEffect) return 0;
    const { clock, monotonicMs, sendMs } = this.#options;
    return clock.now() + Math.max(0, Math.ceil(death.atMs + sendMs - monotonicMs()));
  }

  watch(onChange: () => void): Release {
    const watcher = () => onChange();
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Hands over at once. Call it when nothing is sent any more. */
  async leave(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRejoin();
    await this.#joining;
    await this.#own?.lease.release();
    this.#members.close();
  }

  async #join(): Promise<void> {
    const { group, namespace, randomBytes, leaseMs, log } = this.#options;
    const lease = `${group}-${toBase32(randomBytes(10))}`;
    const name = incarnationOf({ namespace, name: lease });
    const own = await OwnLease.acquire({
      ...this.#options,
      collection: leasesPath(namespace),
      name: lease,
      labels: { [groupLabel]: group },
      durationMs: leaseMs,
      onLost: (lateMs) => {
        if (this.#own?.name !== name) return;
        log.error(
          { holder: name, lateMs },
          'the lease of this process has lapsed: it drops what it was at, and joins anew',
        );
        this.#rejoin();
      },
    });
    if (this.#isClosed) return await own.release();
    if (!own.isAlive) throw new Error('the lease had run out before the cluster answered');
    this.#own = { name, lease: own };
    log.info({ holder: name }, 'joined the replicas');
    this.#tell();
  }

  #rejoin(): void {
    if (this.#isClosed) return;
    this.#joining = this.#join().catch((error: unknown) => {
      const { clock, log } = this.#options;
      log.warn({ err: error }, 'this process could not join the replicas; trying again');
      this.#cancelRejoin = clock.at(clock.now() + rejoinMs, () => this.#rejoin());
    });
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher();
  }
}
