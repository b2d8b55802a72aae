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
  /** Of the unfinished. */
  readonly #bySignal = new Map<string, Set<string>>();
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

  unfinished(): Iterable<Execution> {
    return this.#named(this.#unfinished);
  }

  ofOriginStep(originStep: string): Iterable<Execution> {
    return this.#named(this.#byOriginStep.get(originStep));
  }

  waitingFor(signal: string): Iterable<Execution> {
    return this.#named(this.#bySignal.get(signal));
  }

  originSteps(): Iterable<string> {
    return this.#byOriginStep.keys();
  }

  /** Keeps the newer of two. One that has its key by another UID was made after the other was deleted. */
  put(stored: StoredExecution): void {
    const text = keyText(stored.execution);
    const before = this.#byKey.get(text);
    if (this.#deleted.has(stored.uid)) return;
    if (before !== undefined && !isNewer(stored, before)) return;
    const isSame = before?.uid === stored.uid;
    if (isSame) this.#unindex(text, before.execution);
    // Its own event may come too late to be told: whoever holds it must not take the new one for it.
    else if (before !== undefined) this.delete(before);
    this.#byKey.set(text, stored);
    this.#index(text, stored.execution);
    // A write of the object alone, such as that of a label, changes nothing that we tell of.
    if (isSame && before.execution.version === stored.execution.version) return;
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

  *#named(texts: Iterable<string> = []): Iterable<Execution> {
    for (const text of texts) {
      const stored = this.#byKey.get(text);
      if (stored !== undefined) yield stored.execution;
    }
  }

  #index(text: string, { status }: Execution): void {
    if (status.originStep !== undefined) add(this.#byOriginStep, status.originStep, text);
    if (isFinal(status.state)) return;
    this.#unfinished.add(text);
    for (const signal of status.signals) add(this.#bySignal, signal, text);
  }

  #unindex(text: string, { status }: Execution): void {
    this.#unfinished.delete(text);
    if (status.originStep !== undefined) remove(this.#byOriginStep, status.originStep, text);
    for (const signal of status.signals) remove(this.#bySignal, signal, text);
  }
}

function add(index: Map<string, Set<string>>, name: string, text: string): void {
  const texts = index.get(name) ?? new Set();
  index.set(name, texts.add(text));
}

function remove(index: Map<string, Set<string>>, name: string, text: string): void {
  const texts = index.get(name);
  texts?.delete(text);
  if (texts?.size === 0) index.delete(name);
}

/** Resource versions are numbers that grow (KEP-5504); of one kind the later write has the larger. */
function isNewer(a: StoredExecution, b: StoredExecution): boolean {
  return BigInt(a.resourceVersion) > BigInt(b.resourceVersion);
}
