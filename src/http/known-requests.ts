import { type Execution, type ExecutionKey, keyText } from '../core/execution.ts';
import type { Clock } from '../core/time.ts';
import { type JsonText, toAnswer, toJsonText } from './answer.ts';
import { type ExecutionChanges, isNewer } from './execution-changes.ts';

/** What an entry costs beside its bytes: maps, buffers, the execution that it was made of. */
const overheadBytes = 2_048;
/** Versions of CUE order keys differently, so one execution may be asked for in a few forms. */
const mostBodiesPerUrl = 4;
/** Nothing is deleted within 24 h of its end (DESIGN.md 7): that long a final answer certainly stands. */
const finalAnswerMs = 24 * 60 * 60 * 1_000;

/** The answer as last committed; shared by all requests that ask for it. */
export interface KnownAnswer {
  readonly execution: Execution;
  readonly answer: JsonText;
}

interface Entry extends KnownAnswer {
  execution: Execution;
  answer: JsonText;
  uses: number;
}

interface KnownRequest {
  readonly body: Buffer;
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
    this.#changes.followAll(({ execution, answer }) => {
      const entry = this.#entries.get(keyText(execution));
      if (entry === undefined || !isNewer(execution, entry.execution)) return;
      this.#replace(entry, execution, answer);
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

  find(url: string, body: Buffer): KnownAnswer | undefined {
    const known = this.#requests.get(url);
    const entry = known?.find((request) => request.body.equals(body))?.entry;
    if (known === undefined || entry === undefined) return undefined;
    const { finishedAt } = entry.execution.status;
    if (finishedAt !== undefined && this.#clock.now() - finishedAt >= finalAnswerMs) {
      this.#forget(url);
      return undefined;
    }
    this.#requests.delete(url);
    this.#requests.set(url, known);
    return entry;
  }

  /** Remembers what `record` recorded, or what was committed of it meanwhile. */
  async remember<T extends { readonly execution: Execution }>(
    request: { readonly key: ExecutionKey; readonly url: string; readonly body: Buffer },
    record: () => Promise<T>,
  ): Promise<T> {
    let newest: Execution | undefined;
    const release = this.#changes.followOne(request.key, ({ execution }) => {
      newest = execution;
    });
    try {
      const recorded = await record();
      const { execution } = recorded;
      this.#add(request, newest !== undefined && isNewer(newest, execution) ? newest : execution);
      return recorded;
    } finally {
      release();
    }
  }

  #add({ url, body }: { readonly url: string; readonly body: Buffer }, execution: Execution): void {
    const previous = this.#requests.get(url) ?? [];
    const kept = previous.filter((request) => !request.body.equals(body)).slice(0, mostBodiesPerUrl - 1);
    const added = this.#hold(url, body, execution);
    for (const request of previous) if (!kept.includes(request)) this.#release(request);
    this.#requests.delete(url);
    this.#requests.set(url, [added, ...kept]);
    this.#shrink();
  }

  #hold(url: string, body: Buffer, execution: Execution): KnownRequest {
    const text = keyText(execution);
    let entry = this.#entries.get(text);
    if (entry === undefined) {
      entry = { execution, answer: toJsonText(toAnswer(execution)), uses: 0 };
      this.#entries.set(text, entry);
      this.#bytes += entry.answer.byteLength;
    } else if (isNewer(execution, entry.execution)) {
      this.#replace(entry, execution, toJsonText(toAnswer(execution)));
    }
    entry.uses++;
    const bytes = url.length + body.length + overheadBytes;
    this.#bytes += bytes;
    return { body, entry, bytes };
  }

  #replace(entry: Entry, execution: Execution, answer: JsonText): void {
    this.#bytes += answer.byteLength - entry.answer.byteLength;
    entry.execution = execution;
    entry.answer = answer;
  }

  #release({ entry, bytes }: KnownRequest): void {
    this.#bytes -= bytes;
    entry.uses--;
    if (entry.uses > 0) return;
    this.#bytes -= entry.answer.byteLength;
    this.#entries.delete(keyText(entry.execution));
  }

  #forget(url: string): void {
    for (const request of this.#requests.get(url) ?? []) this.#release(request);
    this.#requests.delete(url);
  }

  #shrink(): void {
    for (const url of this.#requests.keys()) {
      if (this.#bytes <= this.#mostBytes) return;
      this.#forget(url);
    }
  }
}
