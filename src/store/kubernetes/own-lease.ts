import type { Logger } from 'pino';
import type { JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/time.ts';
import type { ApiAnswer, ClusterApi } from '../../providers/kubernetes/cluster-api.ts';

/** A clock that only goes forward, at the same speed whatever people set. Milliseconds. */
export type MonotonicMs = () => number;

export interface OwnLeaseOptions {
  readonly api: ClusterApi;
  /** `/apis/coordination.k8s.io/v1/namespaces/vela-system/leases` */
  readonly collection: string;
  /** Of the incarnation: the Lease's name. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly durationMs: number;
  readonly clock: Clock;
  readonly monotonicMs: MonotonicMs;
  readonly log: Logger;
  /** Called once, when the lease may no longer be ours. */
  readonly onLost: () => void;
}

/** So many renewals are tried while one lease lasts. */
const renewalsPerLease = 4;

/**
 * The lease of one incarnation, as long as it lasts. It lasts from before a renewal was sent, so that it never ends later for
 * us than for those who watch it; and once it has lapsed, if only for an instant, it has for good.
 */
export class OwnLease {
  readonly #options: OwnLeaseOptions;
  #object: JsonObject = {};
  #aliveUntilMs = Number.NEGATIVE_INFINITY;
  #isOver = false;
  #cancelTimer = () => {};
  #renewing: Promise<void> = Promise.resolve();

  private constructor(options: OwnLeaseOptions) {
    this.#options = options;
  }

  /** Makes the Lease. Throws where the cluster does not take it. */
  static async acquire(options: OwnLeaseOptions): Promise<OwnLease> {
    const lease = new OwnLease(options);
    const sentAtMs = options.monotonicMs();
    const { api, collection, name, labels, durationMs } = options;
    const spec = { holderIdentity: name, leaseDurationSeconds: Math.ceil(durationMs / 1_000), ...lease.#times() };
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, labels }, spec };
    const answer = await api.write({ method: 'POST', path: collection, body });
    if (answer.status !== 201) throw api.refusal(answer, purposeOf('create'));
    lease.#renewed(answer, sentAtMs);
    return lease;
  }

  get isAlive(): boolean {
    if (this.#isOver) return false;
    if (this.#options.monotonicMs() < this.#aliveUntilMs) return true;
    this.#end();
    return false;
  }

  /** Ends it now and tells the others so: nothing that was open is in doubt any more. */
  async release(): Promise<void> {
    this.#isOver = true;
    this.#cancelTimer();
    await this.#renewing;
    const { api, log } = this.#options;
    try {
      // Empty as client-go leaves a Lease that it gives back.
      const released = await this.#put({ holderIdentity: '' });
      if (released.status === 200) await api.write({ method: 'DELETE', path: this.#path });
    } catch (error) {
      log.warn({ err: error }, 'the lease could not be given back; the other replicas wait for its end');
    }
  }

  get #path(): string {
    const { collection, name } = this.#options;
    return `${collection}/${name}`;
  }

  #times() {
    // Lease times have microseconds.
    const time = new Date(this.#options.clock.now()).toISOString().replace('Z', '000Z');
    return { renewTime: time };
  }

  /** Fails for who has not seen the last version: whoever claims a lease has made it fail. */
  #put(changes: JsonObject): Promise<ApiAnswer> {
    const spec = { ...(this.#object.spec as JsonObject), ...this.#times(), ...changes };
    return this.#options.api.write({ method: 'PUT', path: this.#path, body: { ...this.#object, spec } });
  }

  async #read(): Promise<JsonObject> {
    const { api } = this.#options;
    const answer = await api.get(this.#path);
    if (answer.status !== 200) throw api.refusal(answer, purposeOf('get'));
    return answer.body as JsonObject;
  }

  async #renew(): Promise<void> {
    const { api, log, monotonicMs } = this.#options;
    const sentAtMs = monotonicMs();
    try {
      const answer = await this.#put({});
      if (answer.status === 200) return this.#renewed(answer, sentAtMs);
      // Claimed: whoever takes over deletes it.
      if (answer.status === 404) return this.#end();
      // Nobody else writes it: a renewal of ours whose answer was lost.
      if (answer.status === 409) this.#object = await this.#read();
      else throw api.refusal(answer, purposeOf('update'));
    } catch (error) {
      log.warn({ err: error }, 'the lease could not be renewed; trying again');
    }
    this.#renewLater();
  }

  #renewed(answer: ApiAnswer, sentAtMs: number): void {
    this.#object = answer.body as JsonObject;
    this.#aliveUntilMs = sentAtMs + this.#options.durationMs;
    this.#renewLater();
  }

  #renewLater(): void {
    // Never revived by an answer that comes after its end.
    if (this.#isOver || !this.isAlive) return;
    const { clock, durationMs, monotonicMs } = this.#options;
    const leftMs = this.#aliveUntilMs - monotonicMs();
    const delayMs = Math.min(durationMs / renewalsPerLease, leftMs);
    this.#cancelTimer = clock.at(clock.now() + Math.ceil(delayMs), () => {
      if (this.isAlive) this.#renewing = this.#renew();
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer();
    this.#options.onLost();
  }
}

function purposeOf(verb: string) {
  return {
    act: `${verb} its Lease`,
    grant: 'create, get, list, watch, update and delete on leases.coordination.k8s.io',
  };
}
