import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { Rejected } from '../../core/effect.ts';
import { type Execution, type ExecutionKey, type ExecutionStatus, isFinal, isOpen } from '../../core/execution.ts';
import { isJsonObject, type JsonObject, jsonBytes } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Release } from '../../core/signal.ts';
import {
  ExecutionMissing,
  type ExecutionStore,
  ExecutionTooLarge,
  type ListFilter,
  type NewExecution,
  type Page,
  type RetentionRule,
  type UnfinishedEntry,
  VersionConflict,
} from '../../core/store.ts';
import type { Clock } from '../../core/time.ts';
import type { ApiAnswer, ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import type { ListWatch } from '../../providers/kubernetes/list-watch.ts';
import { fromContinueToken, toContinueToken } from '../page-position.ts';
import { StoreClosed } from '../store-closed.ts';
import { compareAge } from './age.ts';
import { ExecutionCache } from './execution-cache.ts';
import { openListWatch } from './first-list.ts';
import { listed } from './listed.ts';
import { PacedWrites } from './paced-writes.ts';
import { disposable, hasIntent, hasSucceeded, newest } from './retention.ts';
import {
  allPath,
  collectionPath,
  plural,
  type StoredExecution,
  toObject,
  toStatusObject,
  toStored,
} from './step-execution.ts';
import { WatchProgress } from './watch-progress.ts';

export interface KubernetesStoreOptions {
  readonly api: ClusterApi;
  /** What this process writes at most. */
  readonly writesPerSecond: number;
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

type Created = Awaited<ReturnType<ExecutionStore['create']>>;

const blockEntries = 1_000;
const concurrentDeletes = 8;
/** A watch that lags more is broken, and goes on when its connection is found dead. */
const longestLagMs = 20_000;

/**
 * Executions as StepExecution objects, each in its namespace, named by its id. Many processes may have one open. Reads are
 * answered by what the watch has shown and what this process has written, so that they cost no call. Throws where the cluster
 * does not know them or does not let them be watched.
 */
export async function openKubernetesStore(options: KubernetesStoreOptions): Promise<ExecutionStore> {
  const store = new KubernetesStore(options);
  try {
    await store.ready;
    return store;
  } catch (error) {
    await store.close();
    if (!(error instanceof Rejected) || error.reason !== 'NotFound') throw error;
    const advice = 'apply addon/aftersync/resources/stepexecutions.yaml to it';
    throw new Error(`the cluster of the store does not know StepExecutions: ${advice}`, { cause: error });
  }
}

class KubernetesStore implements ExecutionStore {
  readonly #api: ClusterApi;
  readonly #writes: PacedWrites;
  readonly #log: Logger;
  readonly #cache = new ExecutionCache();
  readonly #progress: WatchProgress;
  readonly #watch: ListWatch;
  readonly ready: Promise<void>;
  /** Of what was written, or read past the watch. */
  #newestAnswered = 0n;

  constructor(options: KubernetesStoreOptions) {
    this.#api = options.api;
    this.#log = options.log;
    this.#writes = new PacedWrites(options);
    this.#progress = new WatchProgress(options.clock);
    const { watch, ready } = openListWatch({
      ...options,
      path: allPath,
      onList: (objects, resourceVersion) => {
        this.#cache.replaceAll(objects.map(toStored), resourceVersion);
        this.#progress.reached(resourceVersion);
      },
      onEvent: (type, object, resourceVersion) => {
        if (type === 'DELETED') this.#cache.delete(toStored(object));
        else this.#cache.put(toStored(object));
        this.#progress.reached(resourceVersion);
      },
    });
    this.#watch = watch;
    this.ready = ready;
  }

  #assertOpen(): void {
    if (this.#watch.ending.aborted) throw new StoreClosed();
  }

  async create(execution: NewExecution): Promise<Created> {
    this.#assertOpen();
    const known = this.#cache.get(execution);
    if (known !== undefined) return { created: false, execution: known.execution };
    const path = collectionPath(execution.namespace);
    const body = toObject(execution);
    assertFits('what is asked for', jsonBytes(body), limits.objectRequestBytes);
    const answer = await this.#writes.write({ method: 'POST', path, body });
    if (answer.status === 409) return await this.#standing(execution);
    if (answer.status !== 201) throw this.#refusal(answer, `create ${plural} in namespace ${execution.namespace}`);
    const created = toStored(answer.body as JsonObject);
    if (!isDeepStrictEqual(created.execution.status, execution.status)) {
      return { created: true, execution: await this.#put(created, execution.status, 1) };
    }
    // As the engine makes them all: the object stands for it without a status, and one write is enough.
    this.#answered(created);
    return { created: true, execution: created.execution };
  }

  async update(key: ExecutionKey, version: number, status: ExecutionStatus): Promise<Execution> {
    this.#assertOpen();
    const known = this.#cache.get(key);
    // What we have seen may be old; who names a version that we have not seen has seen more.
    const stored = known?.execution.version === version ? known : await this.#read(key);
    if (stored === undefined) throw new ExecutionMissing(key);
    if (stored.execution.version !== version) throw new VersionConflict(key);
    return await this.#put(stored, status, version + 1);
  }

  async delete(key: ExecutionKey, version: number): Promise<void> {
    this.#assertOpen();
    const stored = await this.#read(key);
    if (stored === undefined) throw new ExecutionMissing(key);
    if (stored.execution.version !== version) throw new VersionConflict(key);
    const answer = await this.#remove(stored);
    if (answer.status === 404) throw new ExecutionMissing(key);
    if (answer.status === 409) throw new VersionConflict(key);
  }

  async get(key: ExecutionKey): Promise<Execution | undefined> {
    this.#assertOpen();
    const known = this.#cache.get(key) ?? (await this.#read(key));
    return known?.execution;
  }

  async list(filter: ListFilter, page: { readonly limit: number; readonly continue?: string }): Promise<Page> {
    this.#assertOpen();
    const after = page.continue === undefined ? undefined : fromContinueToken(page.continue);
    const items = listed(this.#cache.all(), filter, { limit: page.limit + 1, after });
    const last = items[page.limit - 1];
    if (items.length <= page.limit || last === undefined) return { items };
    return { items: items.slice(0, page.limit), continue: toContinueToken(last) };
  }

  watch(onChange: (execution: Execution) => void, onDelete?: (execution: Execution) => void): Release {
    return this.#cache.watch({ onChange, onDelete });
  }

  async lastSucceeded(originStep: string): Promise<Execution | undefined> {
    return newest(this.#cache.ofOriginStep(originStep), hasSucceeded);
  }

  async lastWithIntent(originStep: string): Promise<Execution | undefined> {
    return newest(this.#cache.ofOriginStep(originStep), hasIntent);
  }

  /**
   * Here it counts that of two processes at least one sees what the other has written before it looks. Writes have an order,
   * in which the watch shows them: who has seen its own has seen all from before it.
   */
  async unfinishedOf(originStep: string, limit: number): Promise<readonly Execution[]> {
    await this.#progress.until(this.#newestAnswered, longestLagMs);
    const unfinished = [...this.#cache.ofOriginStep(originStep)].filter(({ status }) => !isFinal(status.state));
    return unfinished.sort((a, b) => compareAge(b, a)).slice(0, limit);
  }

  async *unfinished(): AsyncIterable<readonly UnfinishedEntry[]> {
    const entries = [...this.#cache.unfinished()].sort(compareAge).map(toEntry);
    for (let start = 0; start < entries.length; start += blockEntries) {
      yield entries.slice(start, start + blockEntries);
    }
  }

  async countUnfinished(): Promise<number> {
    return this.#cache.unfinishedCount;
  }

  async waitingFor(signal: string): Promise<readonly Execution[]> {
    return [...this.#cache.waitingFor(signal)];
  }

  async deleteFinished(rule: RetentionRule, limit: number): Promise<number> {
    this.#assertOpen();
    const work = disposable(this.#cache, rule, limit).values();
    let deleted = 0;
    const lane = async () => {
      for (const execution of work) {
        const stored = this.#cache.get(execution);
        if (stored !== undefined && (await this.#remove(stored)).status === 200) deleted += 1;
      }
    };
    await Promise.all(Array.from({ length: concurrentDeletes }, lane));
    return deleted;
  }

  async close(): Promise<void> {
    this.#watch.close();
  }

  /** By compare-and-swap on the object; a write of something else than the status is no conflict for us. */
  async #put(stored: StoredExecution, status: ExecutionStatus, version: number): Promise<Execution> {
    for (let current = stored; ; ) {
      const { namespace, id } = current.execution;
      const body = {
        ...toObject(current.execution),
        metadata: { name: id, namespace, uid: current.uid, resourceVersion: current.resourceVersion },
        status: toStatusObject(status, version),
      } as JsonObject;
      assertFits('all that is recorded of it', jsonBytes(body), limits.objectBytes);
      const path = `${collectionPath(namespace)}/${id}/status`;
      const answer = await this.#writes.write({ method: 'PUT', path, body });
      if (answer.status === 404) throw this.#missing(current);
      if (answer.status !== 409) {
        const written =
          toAnswered(answer, 200) ?? this.#refuse(answer, `update ${plural}/status in namespace ${namespace}`);
        this.#answered(written);
        if (isOrphan(written.execution)) await this.#removeOrphan(written);
        return written.execution;
      }
      const live = await this.#read(current.execution);
      if (live === undefined || live.uid !== current.uid) throw this.#missing(current);
      if (live.execution.version !== current.execution.version) throw new VersionConflict(current.execution);
      current = live;
    }
  }

  /** The watch tells of it a moment later. */
  #missing(stored: StoredExecution): ExecutionMissing {
    this.#cache.delete(stored);
    return new ExecutionMissing(stored.execution);
  }

  /** Nobody is left who could ask for it: what its owner had in the cluster is gone too. */
  async #removeOrphan(stored: StoredExecution): Promise<void> {
    try {
      await this.#remove(stored);
    } catch (error) {
      const { namespace, id } = stored.execution;
      this.#log.warn({ err: error, namespace, id }, 'the record of a deleted origin stays until its retention is over');
    }
  }

  #answered(stored: StoredExecution): void {
    const answered = BigInt(stored.resourceVersion);
    if (answered > this.#newestAnswered) this.#newestAnswered = answered;
    this.#cache.put(stored);
  }

  async #remove(stored: StoredExecution): Promise<ApiAnswer> {
    const { execution, uid, resourceVersion } = stored;
    const path = `${collectionPath(execution.namespace)}/${execution.id}`;
    const body = { preconditions: { uid, resourceVersion } };
    const answer = await this.#writes.write({ method: 'DELETE', path, body });
    if (answer.status === 200 || answer.status === 404) this.#cache.delete(stored);
    else if (answer.status !== 409) throw this.#refusal(answer, `delete ${plural} in namespace ${execution.namespace}`);
    return answer;
  }

  async #standing(key: ExecutionKey): Promise<Created> {
    const stored = await this.#read(key);
    // Deleted in between: who asks can ask again.
    if (stored === undefined) throw new ExecutionMissing(key);
    return { created: false, execution: stored.execution };
  }

  async #read(key: ExecutionKey): Promise<StoredExecution | undefined> {
    const answer = await this.#api.get(`${collectionPath(key.namespace)}/${key.id}`);
    if (answer.status === 404) {
      const known = this.#cache.get(key);
      if (known !== undefined) this.#cache.delete(known);
      return undefined;
    }
    const stored = toAnswered(answer, 200) ?? this.#refuse(answer, `get ${plural} in namespace ${key.namespace}`);
    this.#answered(stored);
    return stored;
  }

  #refuse(answer: ApiAnswer, act: string): never {
    throw this.#refusal(answer, act);
  }

  #refusal(answer: ApiAnswer, act: string): Error {
    const grant = `get, list, watch, create, update and delete on ${plural} and update on ${plural}/status`;
    return this.#api.refusal(answer, { act, grant });
  }
}

function toAnswered(answer: ApiAnswer, status: number): StoredExecution | undefined {
  return answer.status === status && isJsonObject(answer.body) ? toStored(answer.body) : undefined;
}

function assertFits(what: string, bytes: number, mostBytes: number): void {
  if (bytes <= mostBytes) return;
  throw new ExecutionTooLarge(
    `${what} is ${bytes} bytes as JSON, and this store, which is a cluster's, takes ${mostBytes}: pass a reference to large data`,
  );
}

/** Ended, and stopped for its origin was deleted. */
function isOrphan({ status }: Execution): boolean {
  return isFinal(status.state) && status.stop?.originIsDeleted === true;
}

function toEntry({ namespace, id, deadline, status }: Execution): UnfinishedEntry {
  return {
    namespace,
    id,
    deadline,
    ...(status.wakeAt === undefined ? {} : { wakeAt: status.wakeAt }),
    signals: status.signals,
    hasOpenEffect: status.effects.some(isOpen),
    isStopped: status.stop !== undefined,
    ...(status.holder === undefined ? {} : { holder: status.holder }),
  };
}
