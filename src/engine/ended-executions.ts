import { type ExecutionKey, isFinal, keyText } from '../core/execution.ts';
import type { Release, SignalSource } from '../core/signal.ts';
import type { ExecutionStore } from '../core/store.ts';

const prefix = 'execution';

/** Raised when the execution has ended or was deleted. */
export function executionSignal(key: ExecutionKey): string {
  return `${prefix}:${keyText(key)}`;
}

/** The ends of executions as signals, for those that wait for their turn. */
export class EndedExecutions implements SignalSource {
  readonly prefix = prefix;
  readonly #raises = new Map<string, Set<() => void>>();
  readonly #release: Release;

  constructor(store: ExecutionStore) {
    const raise = (key: ExecutionKey) => {
      for (const each of this.#raises.get(keyText(key)) ?? []) each();
    };
    this.#release = store.watch((execution) => {
      if (isFinal(execution.status.state)) raise(execution);
    }, raise);
  }

  /** Raises at once, since the end may have come before: who waits reads the store then. */
  subscribe(key: string, raise: () => void): Release {
    const raises = this.#raises.get(key) ?? new Set();
    this.#raises.set(key, raises.add(raise));
    raise();
    return () => {
      raises.delete(raise);
      if (raises.size === 0 && this.#raises.get(key) === raises) this.#raises.delete(key);
    };
  }

  close(): void {
    this.#release();
  }
}
