import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { type Execution, type ExecutionKey, type ExecutionStatus, isFinal, isOpen } from '../../core/execution.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Release } from '../../core/signal.ts';
import {
  ExecutionMissing,
  type ExecutionStore,
  type ListFilter,
  type NewExecution,
  type Page,
  type UnfinishedEntry,
  VersionConflict,
} from '../../core/store.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import type { ApiAnswer, ClusterApi } from '../../providers/kubernetes/cluster-api.ts';
import { ListWatch } from '../../providers/kubernetes/list-watch.ts';
import { fromContinueToken, toContinueToken } from '../page-position.ts';
import { StoreClosed } from '../store-closed.ts';
import { compareAge } from './age.ts';
import { ExecutionCache } from './execution-cache.ts';
import { listed } from './listed.ts';
import {
  allPath,
  collectionPath,
  plural,
  recurrenceLabel,
  recurrenceOf,
  type StoredExecution,
  toObject,
  toStatusObject,
  toStored,
} from './step-execution.ts';

export interface KubernetesStoreOptions {
  readonly api: ClusterApi;
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

type Created = Awaited<ReturnType<ExecutionStore['create']>>;

const blockEntries = 1_000;
const concurrentDeletes = 8;

/**
 * Executions as StepExecution objects, each in its namespace, named by its id. Many processes may have one open. Reads are
 * answered by what the watch has shown and what this process has written, so that they cost no call.
 */
export async function openKubernetesStore(options: KubernetesStoreOptions): Promise<ExecutionStore> {
  const store = new KubernetesStore(options);
  await store.ready;
  return store;
}

class KubernetesStore implements ExecutionStore {
  readonly #openApi: ClusterApi;
  readonly #cache = new ExecutionCache();
  readonly #watch: ListWatch;

  constructor(options: KubernetesStoreOptions) {
    this.#openApi = options.api;
    this.#watch = new ListWatch({
      ...options,
      path: allPath,
      onList: (objects, resourceVersion) => this.#cache.replaceAll(objects.map(toStored), resourceVersion),
      onEvent: (type, object) => {
        if (type === 'DELETED') this.#cache.delete(toStored(object));
        else this.#cache.put(toStored(object));
      },
    });
  }

  get ready(): Promise<void> {
    return this.#watch.ready;
  }

  get #api(): ClusterApi {
    this.#assertOpen();
    return this.#openApi;
  }

  #assertOpen(): void {
    if (this.#watch.ending.aborted) throw new StoreClosed();
  }

  async create(execution: NewExecution): Promise<Created> {
    const known = this.#cache.get(execution);
    if (known !== undefined) return { created: false, execution: known.execution };
    const path = collectionPath(execution.namespace);
    const answer = await this.#api.write({ method: 'POST', path, body: toObject(execution) });
    if (answer.status === 409) return await this.#standing(execution);
    if (answer.status !== 201) throw this.#refusal(answer, `create ${plural} in namespace ${execution.namespace}`);
    const created = toStored(answer.body as JsonObject);
    if (!isDeepStrictEqual(created.execution.status, execution.status)) {
      return { created: true, execution: await this.#put(created, execution.status, 1) };
    }
    // As the engine makes them all: the object stands for it without a status, and one write is enough.
    this.#cache.put(created);
    return { created: true, execution: created.execution };
  }

  async update(key: ExecutionKey, version: number, status: ExecutionStatus): Promise<Execution> {
    const known = this.#cache.get(key);
    // What we have seen may be old; who names a version that we have not seen has seen more.
    const stored = known?.execution.version === version ? known : await this.#read(key);
    if (stored === undefined) throw new ExecutionMissing(key);
    if (stored.execution.version !== version) throw new VersionConflict(key);
    return await this.#put(stored, status, version + 1);
  }

  async delete(key: ExecutionKey, version: number): Promise<void> {
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
    return newest(this.#cache.ofOriginStep(originStep), ({ status }) => status.state === 'succeeded');
  }

  async lastWithIntent(originStep: string): Promise<Execution | undefined> {
    return newest(this.#cache.ofOriginStep(originStep), ({ status }) => status.effects.length > 0);
  }

  /** Asked of the cluster, for here it counts that of two replicas at least one sees the other's write. */
  async unfinishedOf(originStep: string, limit: number): Promise<readonly Execution[]> {
    const recurrences = new Map<string, string>();
    for (const { namespace, request } of this.#cache.ofOriginStep(originStep)) {
      const recurrence = recurrenceOf(namespace, request);
      if (recurrence !== undefined) recurrences.set(recurrence, namespace);
    }
    for (const [recurrence, namespace] of recurrences) await this.#refresh(namespace, recurrence);
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

  async deleteFinished(before: EpochMs, limit: number): Promise<number> {
    this.#assertOpen();
    const doomed: StoredExecution[] = [];
    for (const execution of this.#cache.all()) {
      if (doomed.length >= limit) break;
      const stored = this.#cache.get(execution);
      if (stored !== undefined && (await this.#isDoomed(execution, before))) doomed.push(stored);
    }
    let deleted = 0;
    const work = doomed.values();
    const lane = async () => {
      for (const stored of work) if ((await this.#remove(stored)).status === 200) deleted += 1;
    };
    await Promise.all(Array.from({ length: concurrentDeletes }, lane));
    return deleted;
  }

  async close(): Promise<void> {
    this.#watch.close();
  }

  async #isDoomed({ namespace, id, status }: Execution, before: EpochMs): Promise<boolean> {
    if (!isFinal(status.state) || (status.finishedAt ?? before) >= before) return false;
    if (status.originStep === undefined) return true;
    const last = [await this.lastSucceeded(status.originStep), await this.lastWithIntent(status.originStep)];
    return !last.some((kept) => kept?.namespace === namespace && kept.id === id);
  }

  /** By compare-and-swap on the object; a write of something else than the status is no conflict for us. */
  async #put(stored: StoredExecution, status: ExecutionStatus, version: number): Promise<Execution> {
    for (let current = stored; ; ) {
      const { namespace, id } = current.execution;
      const answer = await this.#api.write({
        method: 'PUT',
        path: `${collectionPath(namespace)}/${id}/status`,
        body: {
          ...toObject(current.execution),
          metadata: { name: id, namespace, uid: current.uid, resourceVersion: current.resourceVersion },
          status: toStatusObject(status, version),
        } as JsonObject,
      });
      if (answer.status === 404) throw new ExecutionMissing(current.execution);
      if (answer.status !== 409)
        return this.#kept(answer, 200, `update ${plural}/status in namespace ${namespace}`).execution;
      const live = await this.#read(current.execution);
      if (live === undefined || live.uid !== current.uid) throw new ExecutionMissing(current.execution);
      if (live.execution.version !== current.execution.version) throw new VersionConflict(current.execution);
      current = live;
    }
  }

  #remove({ execution, uid, resourceVersion }: StoredExecution): Promise<ApiAnswer> {
    const { namespace, id } = execution;
    const body = { preconditions: { uid, resourceVersion } };
    return this.#api.write({ method: 'DELETE', path: `${collectionPath(namespace)}/${id}`, body }).then((answer) => {
      if (answer.status === 200 || answer.status === 404) this.#cache.delete({ execution, uid, resourceVersion });
      else if (answer.status !== 409) throw this.#refusal(answer, `delete ${plural} in namespace ${namespace}`);
      return answer;
    });
  }

  async #standing(key: ExecutionKey): Promise<Created> {
    const stored = await this.#read(key);
    // Deleted in between: who asks can ask again.
    if (stored === undefined) throw new ExecutionMissing(key);
    return { created: false, execution: stored.execution };
  }

  async #read(key: ExecutionKey): Promise<StoredExecution | undefined> {
    const answer = await this.#api.get(`${collectionPath(key.namespace)}/${key.id}`);
    if (answer.status !== 404) return this.#kept(answer, 200, `get ${plural} in namespace ${key.namespace}`);
    const known = this.#cache.get(key);
    if (known !== undefined) this.#cache.delete(known);
    return undefined;
  }

  async #refresh(namespace: string, recurrence: string): Promise<void> {
    const query = new URLSearchParams({ labelSelector: `${recurrenceLabel}=${recurrence}` });
    const answer = await this.#api.get(`${collectionPath(namespace)}?${query}`);
    if (answer.status !== 200) throw this.#refusal(answer, `list ${plural} in namespace ${namespace}`);
    for (const item of (answer.body as { readonly items: readonly JsonObject[] }).items)
      this.#cache.put(toStored(item));
  }

  #kept(answer: ApiAnswer, status: number, act: string): StoredExecution {
    if (answer.status !== status) throw this.#refusal(answer, act);
    const stored = toStored(answer.body as JsonObject);
    this.#cache.put(stored);
    return stored;
  }

  #refusal(answer: ApiAnswer, act: string): Error {
    const grant = `get, list, watch, create, update and delete on ${plural} and update on ${plural}/status`;
    return this.#api.refusal(answer, { act, grant });
  }
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

function newest(executions: Iterable<Execution>, isMeant: (execution: Execution) => boolean): Execution | undefined {
  let found: Execution | undefined;
  for (const execution of executions) {
    if (isMeant(execution) && (found === undefined || compareAge(execution, found) > 0)) found = execution;
  }
  return found;
}
