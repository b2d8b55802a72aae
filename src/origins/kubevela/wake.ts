import type { Logger } from 'pino';
import { Rejected } from '../../core/effect.ts';
import { type Execution, executionStates, isFinal } from '../../core/execution.ts';
import type { Holding } from '../../core/holding.ts';
import { Schedule, type Scheduled } from '../../core/schedule.ts';
import type { Release } from '../../core/signal.ts';
import type { ExecutionStore } from '../../core/store.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import type { ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import { type ObjectPlace, objectPath } from '../../providers/kubernetes/resource-type.ts';
import { conditionPatch } from './after-sync-condition.ts';
import type { OriginMetrics } from './metrics.ts';
import { originObject, readObject } from './origin-object.ts';
import { type OriginName, type OriginSource, originWords } from './origin-source.ts';
import { WakePlan } from './wake-plan.ts';

/** Ticks of a waiting step come at least each minute, so that a workflow that has one stays known. */
const idleMs = 150_000;
const mostFollowed = 10_000;
const mostAtOnce = 16;
const busyPauseMs = 50;
/** Which ends may not have reached the engine when we begin, and how many executions are looked at to find them. */
const recentMs = 300_000;
const mostLookedAt = 2_000;
const pageItems = 500;
/** As often somebody else may write between our read and our patch. */
const mostTries = 3;

/** An Application or WorkflowRun whose engine asks us. */
interface Followed extends Scheduled {
  readonly origin: OriginName;
  readonly plan: WakePlan;
  release: Release;
  /** The watch has told what there is. */
  isKnown: boolean;
  isBusy: boolean;
  usedAt: EpochMs;
}

export interface WakeParts {
  readonly client: Pick<KubernetesClient, 'read'>;
  readonly api: Pick<ClusterApi, 'write' | 'refusal'>;
  readonly source: OriginSource;
  readonly store: Pick<ExecutionStore, 'watch' | 'list'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OriginMetrics;
  /** Absent where no other process shares the store. */
  readonly holding?: Pick<Holding, 'claim' | 'watch'> | undefined;
}

/**
 * Makes KubeVela's engine look at a step whose execution has ended, by a condition of our own in the status of its object:
 * the engine reconciles at once what changes outside `status.workflow`, and else comes back after up to a minute.
 */
export class Wake {
  readonly #parts: WakeParts;
  readonly #schedule: Schedule<Followed>;
  /** The one that was not used for longest comes first. */
  readonly #followed = new Map<string, Followed>();
  readonly #working = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  readonly #releases: Release[] = [];
  #isInTrouble = false;

  constructor(parts: WakeParts) {
    this.#parts = parts;
    this.#schedule = new Schedule(parts.clock, (followed) => this.#onDue(followed));
  }

  /** Goes on for what ended shortly before. */
  start(): void {
    const { store, holding } = this.#parts;
    this.#releases.push(store.watch((execution) => this.#note(execution)));
    // What another process had to tell may be ours now.
    if (holding !== undefined) this.#releases.push(holding.watch(() => this.#work(this.#noteRecent())));
    this.#schedule.start();
    this.#work(this.#noteRecent());
  }

  async close(): Promise<void> {
    for (const release of this.#releases) release();
    this.#schedule.stop();
    this.#ending.abort();
    for (const followed of [...this.#followed.values()]) this.#forget(followed);
    await Promise.all(this.#working);
  }

  /** An answer with this is about to leave. The engine's status write follows, which a patch of ours would make fail. */
  asked(execution: Execution): void {
    const { origin } = execution.request;
    if (origin === undefined || this.#ending.signal.aborted) return;
    const followed = this.#follow(origin);
    followed.plan.asked(execution, this.#seen(followed.origin), this.#now());
    this.#reschedule(followed);
  }

  #note(execution: Execution): void {
    const { request, status } = execution;
    if (request.origin === undefined || !isFinal(status.state) || !this.#isOurs(execution)) return;
    const now = this.#now();
    if ((status.finishedAt ?? 0) < now - recentMs) return;
    const followed = this.#follow(request.origin);
    followed.plan.ended(execution, now);
    this.#reschedule(followed);
  }

  #isOurs({ namespace, id, status: { holder } }: Execution): boolean {
    const { holding } = this.#parts;
    return holding === undefined || holding.claim({ namespace, id, holder, hasOpenEffect: false }) !== undefined;
  }

  async #noteRecent(): Promise<void> {
    const { store, log } = this.#parts;
    const states = executionStates.filter(isFinal);
    let next: string | undefined;
    try {
      for (let count = 0; count < mostLookedAt && !this.#ending.signal.aborted; count += pageItems) {
        const from = next === undefined ? {} : { continue: next };
        const page = await store.list({ states }, { limit: pageItems, ...from });
        for (const execution of page.items) this.#note(execution);
        next = page.continue;
        if (next === undefined) return;
      }
    } catch (error) {
      log.warn(
        { err: error },
        'what ended before the start could not be listed; its workflows come back by themselves',
      );
    }
  }

  #follow(origin: OriginName): Followed {
    const words = originWords(origin);
    const followed = this.#followed.get(words) ?? this.#begin(origin);
    followed.usedAt = this.#now();
    this.#followed.delete(words);
    this.#followed.set(words, followed);
    const [first] = this.#followed.values();
    if (first !== undefined && this.#followed.size > mostFollowed) this.#forget(first);
    return followed;
  }

  #begin({ kind, namespace, name }: OriginName): Followed {
    const origin = { kind, namespace, name };
    const followed: Followed = {
      origin,
      plan: new WakePlan(kind),
      release: () => {},
      isKnown: false,
      isBusy: false,
      usedAt: this.#now(),
      at: 0,
      position: -1,
    };
    followed.release = this.#parts.source.follow(origin, () => this.#onChange(followed));
    return followed;
  }

  #forget(followed: Followed): void {
    if (!followed.plan.isEmpty) this.#parts.metrics.woken('dropped');
    followed.release();
    this.#schedule.remove(followed);
    this.#followed.delete(originWords(followed.origin));
  }

  #onChange(followed: Followed): void {
    followed.isKnown = true;
    const seen = this.#seen(followed.origin);
    if (seen !== undefined) followed.plan.saw(seen);
    this.#reschedule(followed);
  }

  #seen(origin: OriginName): KubernetesObject | undefined {
    const sight = this.#parts.source.sight(origin);
    return sight === undefined || 'refused' in sight ? undefined : sight.object;
  }

  #reschedule(followed: Followed): void {
    if (followed.isBusy || this.#ending.signal.aborted) return;
    const dueAt = followed.isKnown ? followed.plan.dueAt(this.#now()) : undefined;
    this.#schedule.set(followed, dueAt ?? followed.usedAt + idleMs);
  }

  #onDue(followed: Followed): void {
    const { plan, isKnown } = followed;
    if (plan.isEmpty || !isKnown) this.#forget(followed);
    else if (this.#working.size >= mostAtOnce) this.#schedule.set(followed, this.#now() + busyPauseMs);
    else this.#work(this.#wake(followed));
  }

  #work(work: Promise<void>): void {
    this.#working.add(work);
    void work.then(() => this.#working.delete(work));
  }

  async #wake(followed: Followed): Promise<void> {
    const { plan, origin } = followed;
    followed.isBusy = true;
    try {
      const result = await this.#patch(followed, plan.begin(this.#now()));
      if (result === 'held') plan.putOff(this.#now());
      if (result === 'sent') this.#parts.metrics.woken(result);
      this.#isInTrouble = false;
    } catch (error) {
      this.#onFailure(followed, error);
    } finally {
      plan.finish();
      followed.isBusy = false;
      if (this.#followed.get(originWords(origin)) === followed) this.#reschedule(followed);
    }
  }

  async #patch({ origin, plan }: Followed, message: string): Promise<'sent' | 'held' | 'needless'> {
    const { client, api } = this.#parts;
    const { signal } = this.#ending;
    const place = originObject(origin);
    const seen = this.#seen(origin);
    let object = seen !== undefined && plan.isAwaited(seen) ? seen : undefined;
    for (let tries = 1; ; tries++) {
      if (object === undefined) {
        object = await readObject(client, place, signal);
        plan.read(object);
      }
      if (object === undefined || plan.isEmpty) return 'needless';
      if (plan.isHeld(this.#now())) return 'held';
      const body = conditionPatch(object, message, this.#now());
      const answer = await api.write({ method: 'PATCH', path: `${objectPath(place)}/status`, body, signal });
      if (answer.status < 300) return 'sent';
      const isOutdated = [404, 409, 422].includes(answer.status);
      if (!isOutdated || tries === mostTries) throw api.refusal(answer, purposeOf(place));
      object = undefined;
    }
  }

  #onFailure({ plan, origin }: Followed, error: unknown): void {
    if (this.#ending.signal.aborted) return;
    const isRefused = error instanceof Rejected;
    // Nothing changes by trying again what our account may not do.
    if (isRefused) plan.giveUp();
    else plan.hurry(this.#now());
    this.#parts.metrics.woken(isRefused ? 'refused' : 'failed');
    if (this.#isInTrouble) return;
    this.#isInTrouble = true;
    const level = isRefused ? 'error' : 'warn';
    this.#parts.log[level](
      { err: error, origin: originWords(origin) },
      'a workflow engine could not be woken; steps that have ended are noticed up to a minute later',
    );
  }

  #now(): EpochMs {
    return this.#parts.clock.now();
  }
}

function purposeOf({ type, namespace, name }: ObjectPlace) {
  return {
    act: `patch the status of ${type.kind} ${namespace}/${name}`,
    grant: `patch on ${type.plural}/status in the API group ${type.group}`,
  };
}
