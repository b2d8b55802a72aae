import { type Execution, type ExecutionKey, keyText } from '../core/execution.ts';
import type { Clock } from '../core/time.ts';
import type { JsonText } from './answer.ts';
import { ExecutionChange, type ExecutionChanges, isNewer } from './execution-changes.ts';

/** What an entry costs beside its bytes: maps, buffers, the execution that it was made of. */
const overheadBytes = 2_048;
/** Versions of CUE order keys differently, so one execution may be asked for in a few forms. */
const mostBodiesPerUrl = 4;
/** Nothing is deleted within 24 h of its end (DESIGN.md 7): that long a final answer certainly stands. */
const finalAnswerMs = 24 * 60 * 60 * 1_000;
/** How much stays when the bytes run out: each walk to the least recently used passes the places of all forgotten before. */
const keptShare = 0.9;

interface Entry {
  /** As last committed. */
  newest: ExecutionChange;
  /** It was deleted, which a request notices that asks for it. */
  isGone: boolean;
  /** How many requests share it. */
  uses: number;
}

interface KnownRequest {
  /** In latin1, a character for each byte: thousands of Buffers would cost the garbage collector a tenth of all time. */
  readonly body: string;
  readonly entry: Entry;
  readonly bytes: number;
}

/**
 * Requests that were recorded, by URL and the bytes of their body: a workflow engine repeats its PUT at every tick, and
 * most of these are answered from here without parsing. An answer enters after its commit and each later one replaces it.
 */
export class KnownRequests {
  readonly #changes: ExecutionChanges;
  readonly #clock: Clock;
  readonly #mostBytes: number;
  /** Least recently used first. */
  readonly #requests = new Map<string, readonly KnownRequest[]>();
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: { readonly changes: ExecutionChanges; readonly clock: Clock; readonly mostBytes: number }) {
    this.#changes = options.changes;
    this.#clock = options.clock;
    this.#mostBytes = options.mostBytes;
    this.#changes.followAll((change) => {
      const entry = this.#entries.get(keyText(change.execution));
      if (entry === undefined) return;
      if (change.isDeletion) entry.isGone = true;
      else this.#renew(entry, change);
      this.#shrink();
    });
  }

  /** How many bytes are held, by estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it is worth while to read the body. */
  knows(url: string): boolean {
    return this.#requests.has(url);
  }

  find(url: string, body: Buffer): ExecutionChange | undefined {
    const known = this.#requests.get(url);
    const text = body.toString('latin1');
    const entry = known?.find((request) => request.body === text)?.entry;
    if (known === undefined || entry === undefined) return undefined;
    const { finishedAt } = entry.newest.execution.status;
    if (entry.isGone || (finishedAt !== undefined && this.#clock.now() - finishedAt >= finalAnswerMs)) {
      this.#forget(url);
      return undefined;
    }
    this.#requests.delete(url);
    this.#requests.set(url, known);
    return entry.newest;
  }

  /** Remembers what `record` recorded, or what was committed of it meanwhile, and gives the answer with it. */
  async remember<T extends { readonly execution: Execution }>(
    request: { readonly key: ExecutionKey; readonly url: string; readonly body: Buffer },
    record: () => Promise<T>,
  ): Promise<T & { readonly answer: JsonText }> {
    let seen: ExecutionChange | undefined;
    const release = this.#changes.followOne(request.key, (change) => {
      seen = change;
    });
    try {
      const recorded = await record();
      const newest =
        seen === undefined || seen.isDeletion || isNewer(recorded.execution, seen.execution)
          ? new ExecutionChange(recorded.execution)
          : seen;
      // Deleted meanwhile: the next request is to find out for itself.
      if (seen?.isDeletion !== true) this.#add(request.url, request.body.toString('latin1'), newest);
      return { ...recorded, answer: newest.answer };
    } finally {
      release();
    }
  }

  #add(url: string, body: string, newest: ExecutionChange): void {
    const previous = this.#requests.get(url) ?? [];
    const kept = previous.filter((request) => request.body !== body).slice(0, mostBodiesPerUrl - 1);
    const added = this.#hold(url, body, newest);
    for (const request of previous) if (!kept.includes(request)) this.#release(request);
    this.#requests.delete(url);
    this.#requests.set(url, [added, ...kept]);
    this.#shrink();
  }

  #hold(url: string, body: string, newest: ExecutionChange): KnownRequest {
    const text = keyText(newest.execution);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = { newest, isGone: false, uses: 0 };
      this.#entries.set(text, entry);
      this.#bytes += newest.answer.byteLength;
    } else this.#renew(entry, newest);
    entry.uses++;
    const bytes = url.length + body.length + overheadBytes;
    this.#bytes += bytes;
    return { body, entry, bytes };
  }

  #renew(entry: Entry, change: ExecutionChange): void {
    if (!isNewer(change.execution, entry.newest.execution)) return;
    this.#bytes += change.answer.byteLength - entry.newest.answer.byteLength;
    entry.newest = change;
    entry.isGone = false;
  }

  #release({ entry, bytes }: KnownRequest): void {
    this.#bytes -= bytes;
    entry.uses--;
    if (entry.uses > 0) return;
    this.#bytes -= entry.newest.answer.byteLength;
    this.#entries.delete(keyText(entry.newest.execution));
  }

  #forget(url: string): void {
    for (const request of this.#requests.get(url) ?? []) this.#release(request);
    this.#requests.delete(url);
  }

  #shrink(): void {
    if (this.#bytes <= this.#mostBytes) return;
    for (const url of this.#requests.keys()) {
      this.#forget(url);
      if (this.#bytes <= keptShare * this.#mostBytes) return;
    }
  }
}
