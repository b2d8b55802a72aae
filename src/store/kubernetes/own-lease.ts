import type { Logger } from 'pino';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/time.ts';
import type { ApiAnswer, ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import { part, text } from '../../providers/kubernetes/kubernetes-object.ts';

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
  /** Called once, when the lease may no longer be ours: how long after its end, which is ahead where another one has ended it. */
  readonly onLost: (lateMs: number) => void;
}

/** So often it is renewed while one lease lasts, and each try has as long for its answer. */
const renewalsPerLease = 4;
/** So often one that fails is tried again while one lease lasts. */
const retriesPerLease = 16;

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
    lease.#object = answer.body as JsonObject;
    lease.#lastFrom(sentAtMs);
    return lease;
  }

  get isAlive(): boolean {
    if (this.#isOver) return false;
    if (this.#options.monotonicMs() < this.#aliveUntilMs) return true;
    this.#end();
    return false;
  }

  /** Ends it now and tells the others so. Only for who has nothing in flight any more: they take over without a wait. */
  async release(): Promise<void> {
    this.#isOver = true;
    this.#cancelTimer();
    await this.#renewing;
    const { log } = this.#options;
    try {
      // Empty as client-go leaves a Lease that it gives back.
      let released = await this.#put({ holderIdentity: '' });
      if (released.status === 409) {
        this.#object = await this.#read();
        released = await this.#put({ holderIdentity: '' });
      }
      if (released.status === 200) await this.#delete();
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
  async #put(changes: JsonObject): Promise<ApiAnswer> {
    const spec = { ...(this.#object.spec as JsonObject), ...this.#times(), ...changes };
    const body = { ...this.#object, spec };
    return await this.#withinLimit((signal) =>
      this.#options.api.write({ method: 'PUT', path: this.#path, body, signal }),
    );
  }

  async #read(): Promise<JsonObject> {
    const { api } = this.#options;
    const answer = await this.#withinLimit((signal) => api.get(this.#path, { signal }));
    if (answer.status !== 200 || !isJsonObject(answer.body)) throw api.refusal(answer, purposeOf('get'));
    return answer.body;
  }

  async #delete(): Promise<void> {
    const body = { preconditions: { uid: text(part(this.#object, 'metadata'), 'uid') } };
    await this.#options.api.write({ method: 'DELETE', path: this.#path, body });
  }

  /** An answer that hangs must leave time for another try. */
  async #withinLimit<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, durationMs } = this.#options;
    const limit = new AbortController();
    const onLimit = () => limit.abort(new Error('no answer in time'));
    const cancel = clock.at(clock.now() + Math.ceil(durationMs / renewalsPerLease), onLimit);
    try {
      return await ask(limit.signal);
    } finally {
      cancel();
    }
  }

  async #renew(): Promise<void> {
    const { api, log, monotonicMs, durationMs } = this.#options;
    const sentAtMs = monotonicMs();
    try {
      const answer = await this.#put({});
      if (answer.status === 200) {
        this.#object = answer.body as JsonObject;
        // Never revived by an answer that comes after its end.
        if (this.isAlive) this.#lastFrom(sentAtMs);
        return;
      }
      // Claimed: whoever takes over deletes it.
      if (answer.status === 404) return this.#end();
      if (answer.status !== 409) throw api.refusal(answer, purposeOf('update'));
      // Nobody else writes it: a renewal of ours whose answer was lost.
      this.#object = await this.#read();
      this.#renewAfter(0);
    } catch (error) {
      log.warn({ err: error }, 'the lease could not be renewed; trying again');
      this.#renewAfter(durationMs / retriesPerLease);
    }
  }

  #lastFrom(sentAtMs: number): void {
    const { durationMs } = this.#options;
    this.#aliveUntilMs = sentAtMs + durationMs;
    this.#renewAfter(durationMs / renewalsPerLease);
  }

  #renewAfter(delayMs: number): void {
    if (!this.isAlive) return;
    const { clock, monotonicMs } = this.#options;
    const leftMs = this.#aliveUntilMs - monotonicMs();
    this.#cancelTimer = clock.at(clock.now() + Math.ceil(Math.min(delayMs, leftMs)), () => {
      if (this.isAlive) this.#renewing = this.#renew();
    });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer();
    // Not released, for what was sent may still arrive; but nobody need wait to see that it has run out.
    this.#delete().catch((error: unknown) => {
      this.#options.log.debug({ err: error }, 'a lapsed lease could not be deleted; another replica does so');
    });
    this.#options.onLost(Math.round(this.#options.monotonicMs() - this.#aliveUntilMs));
  }
}

function purposeOf(verb: string) {
  return {
    act: `${verb} its Lease`,
    grant: 'create, get, list, watch, update and delete on leases.coordination.k8s.io',
  };
}
