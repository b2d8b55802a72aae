import { type Execution, type ExecutionKey, isFinal, keyText } from '../../core/execution.ts';
import type { StoredExecution } from './step-execution.ts';

/** Deletions of which a late answer or event could make a ghost. */
const mostTombstones = 10_000;

/** Told of each change once, in the order in which this process learns of it. */
export interface CacheWatcher {
  readonly onChange: (execution: Execution) => void;
  readonly onDelete: ((execution: Execution) => void) | undefined;
}

/** All executions that there are, as far as this process has seen: what it wrote itself, and what the watch shows. */
export class ExecutionCache {
  readonly #byKey = new Map<string, StoredExecution>();
  readonly #unfinished = new Set<string>();
  readonly #byOriginStep = new Map<string, Set<string>>();
  /** UIDs. */
  readonly #deleted = new Set<string>();
  readonly #watchers = new Set<CacheWatcher>();

  get(key: ExecutionKey): StoredExecution | undefined {
    return this.#byKey.get(keyText(key));
  }

  get unfinishedCount(): number {
    return this.#unfinished.size;
  }

  *all(): Iterable<Execution> {
    for (const { execution } of this.#byKey.values()) yield execution;
  }

  *unfinished(): Iterable<Execution> {
    for (const text of this.#unfinished) {
      const stored = this.#byKey.get(text);
      if (stored !== undefined) yield stored.execution;
    }
  }

  *ofOriginStep(originStep: string): Iterable<Execution> {
    for (const text of this.#byOriginStep.get(originStep) ?? []) {
      const stored = this.#byKey.get(text);
      if (stored !== undefined) yield stored.execution;
    }
  }

  originSteps(): Iterable<string> {
    return this.#byOriginStep.keys();
  }

  /** Keeps the newer of two. One that has its key by another UID was made after the other was deleted. */
  put(stored: StoredExecution): void {
    const text = keyText(stored.execution);
    const before = this.#byKey.get(text);
    if (this.#deleted.has(stored.uid)) return;
    if (before?.uid === stored.uid && !isNewer(stored, before)) return;
    if (before !== undefined) this.#unindex(text, before.execution);
    this.#byKey.set(text, stored);
    this.#index(text, stored.execution);
    // A write of the object alone, such as that of a label, changes nothing that we tell of.
    if (before?.uid === stored.uid && before.execution.version === stored.execution.version) return;
    for (const watcher of this.#watchers) watcher.onChange(stored.execution);
  }

  delete({ execution, uid }: StoredExecution): void {
    this.#deleted.add(uid);
    for (const oldest of this.#deleted) {
      if (this.#deleted.size <= mostTombstones) break;
      this.#deleted.delete(oldest);
    }
    const text = keyText(execution);
    const before = this.#byKey.get(text);
    if (before?.uid !== uid) return;
    this.#byKey.delete(text);
    this.#unindex(text, before.execution);
    for (const watcher of this.#watchers) watcher.onDelete?.(before.execution);
  }

  /** A list is all that there is: what it lacks was deleted, unless it was written since. */
  replaceAll(listed: readonly StoredExecution[], resourceVersion: string): void {
    const uids = new Set(listed.map(({ uid }) => uid));
    for (const stored of [...this.#byKey.values()]) {
      if (!uids.has(stored.uid) && BigInt(stored.resourceVersion) <= BigInt(resourceVersion)) this.delete(stored);
    }
    for (const stored of listed) this.put(stored);
  }

  watch(watcher: CacheWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #index(text: string, { status }: Execution): void {
    if (!isFinal(status.state)) this.#unfinished.add(text);
    if (status.originStep === undefined) return;
    const texts = this.#byOriginStep.get(status.originStep) ?? new Set();
    this.#byOriginStep.set(status.originStep, texts.add(text));
  }

  #unindex(text: string, { status }: Execution): void {
    this.#unfinished.delete(text);
    if (status.originStep === undefined) return;
    const texts = this.#byOriginStep.get(status.originStep);
    texts?.delete(text);
    if (texts?.size === 0) this.#byOriginStep.delete(status.originStep);
  }
}

/** Resource versions are numbers that grow (KEP-5504); of one object the later write has the larger. */
function isNewer(a: StoredExecution, b: StoredExecution): boolean {
  return BigInt(a.resourceVersion) > BigInt(b.resourceVersion);
}
