import type { Execution, ExecutionKey } from '../core/execution.ts';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import type { Release } from '../core/signal.ts';
import type { ExecutionStore } from '../core/store.ts';

/** Whether it waits for the proof of its origin, where origins are proven. */
export function isUnproven({ request, status }: Execution): boolean {
  return request.origin !== undefined && status.state === 'pending';
}

/**
 * Which executions wait for the proof of their origin, so that no namespace can fill the store with what proves nothing. By
 * what the store tells, for the process that makes one need not be the one that advances it.
 */
export class Unproven {
  /** By namespace, their ids, and one symbol for each that is being made. */
  readonly #places = new Map<string, Set<string | symbol>>();
  readonly #release: Release;

  constructor(store: Pick<ExecutionStore, 'watch'>) {
    this.#release = store.watch(
      (execution) => {
        if (isUnproven(execution)) this.add(execution);
        else this.#delete(execution.namespace, execution.id);
      },
      ({ namespace, id }) => this.#delete(namespace, id),
    );
  }

  /** One that the store held before. */
  add({ namespace, id }: ExecutionKey): void {
    this.#add(namespace, id);
  }

  /** Makes one if there is room. Problem `too-many-executions` where the namespace has its share of them. */
  async make<T>({ namespace }: ExecutionKey, create: () => Promise<T>): Promise<T> {
    this.#assertRoom(namespace);
    const place = Symbol('being made');
    this.#add(namespace, place);
    try {
      return await create();
    } finally {
      this.#delete(namespace, place);
    }
  }

  close(): void {
    this.#release();
  }

  #assertRoom(namespace: string): void {
    if ((this.#places.get(namespace)?.size ?? 0) < limits.unprovenPerNamespace) return;
    throw new Problem(
      'too-many-executions',
      `${limits.unprovenPerNamespace} executions in namespace ${namespace} wait for the proof of their origin; try again later`,
      { retryAfterSeconds: 10 },
    );
  }

  #add(namespace: string, place: string | symbol): void {
    const places = this.#places.get(namespace) ?? new Set();
    this.#places.set(namespace, places.add(place));
  }

  #delete(namespace: string, place: string | symbol): void {
    const places = this.#places.get(namespace);
    places?.delete(place);
    if (places?.size === 0) this.#places.delete(namespace);
  }
}
