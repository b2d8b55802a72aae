import type { ExecutionKey } from '../core/execution.ts';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';

/** Which executions wait for the proof of their origin, so that no namespace can fill the store with what proves nothing. */
export class Unproven {
  readonly #ids = new Map<string, Set<string>>();

  /** Problem `too-many-executions` where the namespace has its share of them. */
  assertRoom({ namespace }: ExecutionKey): void {
    if ((this.#ids.get(namespace)?.size ?? 0) < limits.unprovenPerNamespace) return;
    throw new Problem(
      'too-many-executions',
      `${limits.unprovenPerNamespace} executions in namespace ${namespace} wait for the proof of their origin; try again later`,
      { retryAfterSeconds: 10 },
    );
  }

  add({ namespace, id }: ExecutionKey): void {
    const ids = this.#ids.get(namespace) ?? new Set();
    this.#ids.set(namespace, ids.add(id));
  }

  delete({ namespace, id }: ExecutionKey): void {
    const ids = this.#ids.get(namespace);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(namespace);
  }
}
