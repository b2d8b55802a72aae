import { type Execution, type ExecutionKey, keyText } from '../core/execution.ts';
import type { Release } from '../core/signal.ts';
import type { ExecutionStore } from '../core/store.ts';
import { type JsonText, toAnswer, toJsonText } from './answer.ts';

/** A stored change, with its answer made at most once for all who pass it on. */
export class ExecutionChange {
  /** As it stands, or as it stood before it was deleted. */
  readonly execution: Execution;
  readonly isDeletion: boolean;
  #answer: JsonText | undefined;

  constructor(execution: Execution, isDeletion = false) {
    this.execution = execution;
    this.isDeletion = isDeletion;
  }

  get answer(): JsonText {
    this.#answer ??= toJsonText(toAnswer(this.execution));
    return this.#answer;
  }
}

type Listener = (change: ExecutionChange) => void;

/** One watch on the store, shared by all long polls, event streams and known requests. */
export class ExecutionChanges {
  readonly #everything = new Set<Listener>();
  readonly #byKey = new Map<string, Set<Listener>>();
  readonly #release: Release;

  constructor(store: ExecutionStore) {
    this.#release = store.watch(
      (execution) => this.#tell(new ExecutionChange(execution)),
      (execution) => this.#tell(new ExecutionChange(execution, true)),
    );
  }

  followAll(listener: Listener): Release {
    this.#everything.add(listener);
    return () => this.#everything.delete(listener);
  }

  followOne(key: ExecutionKey, listener: Listener): Release {
    const text = keyText(key);
    const listeners = this.#byKey.get(text) ?? new Set();
    this.#byKey.set(text, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#byKey.get(text) === listeners) this.#byKey.delete(text);
    };
  }

  close(): void {
    this.#release();
  }

  #tell(change: ExecutionChange): void {
    for (const listener of this.#everything) listener(change);
    for (const listener of this.#byKey.get(keyText(change.execution)) ?? []) listener(change);
  }
}

/** Whether `a` was stored after `b`, for two records of one key. A key may be used anew after its deletion. */
export function isNewer(a: Execution, b: Execution): boolean {
  return a.createdAt === b.createdAt ? a.version > b.version : a.createdAt > b.createdAt;
}
