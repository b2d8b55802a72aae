import type { Logger } from 'pino';
import { type Execution, isFinal, keyText } from '../../core/execution.ts';
import { digestOf, type JsonObject } from '../../core/json.ts';
import { LruMap } from '../../core/lru-map.ts';
import type { Release } from '../../core/signal.ts';
import type { ExecutionStore } from '../../core/store.ts';
import { type Clock, type EpochMs, toIsoTime } from '../../core/time.ts';
import type { ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import { apiVersionOf, collectionPath } from '../../providers/kubernetes/resource-type.ts';
import type { OriginMetrics } from './metrics.ts';
import { originObject } from './origin-object.ts';
import type { OriginName } from './origin-source.ts';

const mostQueued = 1_000;
/** 20 a second at most, one after the other: all KubeVela, and who else looks at Events, shares the API server. */
const gapMs = 50;
/** Events are kept for an hour, so that one that is told again by then would be a second one. */
const newestMs = 60_000;
const mostRemembered = 10_000;
/** Kubernetes' own limit. */
const messageCharacters = 1_024;
const core = { group: '', version: 'v1', kind: 'Event', plural: 'events', isNamespaced: true, hasStatus: false };

export interface EventsParts {
  readonly api: Pick<ClusterApi, 'write' | 'refusal'>;
  readonly store: Pick<ExecutionStore, 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OriginMetrics;
}

/** What is said about an Application or WorkflowRun; the same twice is one Event. */
interface Notice {
  readonly origin: OriginName;
  readonly uid: string;
  /** What tells it from others of its reason. */
  readonly key: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/**
 * Kubernetes Events on the objects whose steps we run, where people look (`kubectl describe`). Nothing waits for them, and under a flood some are left out.
 */
export class OriginEvents {
  readonly #parts: EventsParts;
  readonly #queue: JsonObject[] = [];
  readonly #remembered = new LruMap<string, true>(mostRemembered);
  readonly #ending = new AbortController();
  #release: Release = () => {};
  #sending: Promise<void> | undefined;
  #cancelPause = () => {};
  #isInTrouble = false;

  constructor(parts: EventsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#release = this.#parts.store.watch((execution) => this.#onStored(execution));
  }

  async close(): Promise<void> {
    this.#release();
    this.#ending.abort();
    await this.#sending;
    this.#cancelPause();
  }

  /** The step gives parameters to KubeVela's own read-object that only ours knows. */
  misused(application: KubernetesObject, step: string): void {
    const { uid = '', name } = application.metadata;
    this.#add({
      origin: { kind: 'Application', namespace: text(part(application, 'metadata'), 'namespace'), name },
      uid,
      key: `${text(part(part(application, 'status'), 'latestRevision'), 'name')}/${step}`,
      type: 'Warning',
      reason: 'BuiltInReadObject',
      message:
        `step ${step} is run by KubeVela's own read-object, which takes no notice of the parameters that only ` +
        "aftersync's knows: use type aftersync-read-object, or let the addon install it in this namespace (readObjectNamespaces)",
    });
  }

  #add(notice: Notice): void {
    const identity = digestOf([notice.uid, notice.reason, notice.key]).slice(0, 40);
    if (this.#ending.signal.aborted || this.#remembered.get(identity) === true) return;
    this.#remembered.set(identity, true);
    if (this.#queue.length >= mostQueued) {
      this.#parts.metrics.eventHandled('dropped');
      return;
    }
    this.#queue.push(toEvent(notice, `aftersync-${identity}`, this.#parts.clock.now()));
    this.#sendNext();
  }

  #onStored(execution: Execution): void {
    const { request, status } = execution;
    const { state, startedAt = 0, finishedAt = 0, proof } = status;
    const { origin } = request;
    if (origin === undefined || proof === undefined || state === 'pending') return;
    const at = isFinal(state) ? finishedAt : startedAt;
    if (at < this.#parts.clock.now() - newestMs) return;
    const about = `step ${origin.step} (${request.step})`;
    const why = status.reason === undefined ? '' : ` as ${status.reason}`;
    this.#add({
      origin,
      uid: proof.uid,
      key: keyText(execution),
      type: state === 'failed' ? 'Warning' : 'Normal',
      reason: reasons[state],
      message: isFinal(state) ? `${about} ${state}${why}: ${status.message}` : `${about} started`,
    });
  }

  #sendNext(): void {
    const next = this.#sending === undefined && !this.#ending.signal.aborted ? this.#queue.shift() : undefined;
    if (next === undefined) return;
    this.#sending = this.#send(next).then(() => {
      const { clock } = this.#parts;
      this.#cancelPause = clock.at(clock.now() + gapMs, () => {
        this.#sending = undefined;
        this.#sendNext();
      });
    });
  }

  async #send(event: JsonObject): Promise<void> {
    const { api, log } = this.#parts;
    const { namespace } = event.metadata as { namespace: string };
    const path = collectionPath({ type: core, namespace });
    try {
      const answer = await api.write({ method: 'POST', path, body: event, signal: this.#ending.signal });
      // 409: it was written before.
      if (answer.status >= 300 && answer.status !== 409) {
        const purpose = { act: `create events in namespace ${namespace}`, grant: 'create on events' };
        throw api.refusal(answer, purpose);
      }
      this.#parts.metrics.eventHandled('written');
      this.#isInTrouble = false;
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#parts.metrics.eventHandled('failed');
      if (this.#isInTrouble) return;
      this.#isInTrouble = true;
      log.warn({ err: error }, 'an Event could not be written; executions go on without');
    }
  }
}

const reasons = {
  running: 'StepStarted',
  succeeded: 'StepSucceeded',
  failed: 'StepFailed',
  cancelled: 'StepCancelled',
} as const;

function toEvent({ origin, uid, type, reason, message }: Notice, name: string, now: EpochMs): JsonObject {
  const { namespace } = origin;
  const at = toIsoTime(now);
  return {
    metadata: { name, namespace },
    involvedObject: {
      apiVersion: apiVersionOf(originObject(origin).type),
      kind: origin.kind,
      namespace,
      name: origin.name,
      uid,
    },
    type,
    reason,
    message: message.slice(0, messageCharacters),
    source: { component: 'aftersync' },
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  };
}
