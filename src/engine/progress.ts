import { NotSent, Rejected } from '../core/effect.ts';
import type { EffectRecord, ProgressRecord } from '../core/execution.ts';
import { type Json, jsonBytes } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Items, Outcome, SendRange, Settled } from '../core/step.ts';
import type { EpochMs } from '../core/time.ts';
import type { Advance } from './advance.ts';
import { shortText } from './short-text.ts';

type Range = readonly [start: number, end: number];

const checkpointMs = 1_000;
/** After this much sending the advance gives its turn to others; well below the limit of an advance. */
const sliceMs = 10_000;

/**
 * Bulk work in one journal entry: batches go out side by side, and what is done is kept by item, at most once a second.
 * A crash repeats what was sent since, which is what `safe` allows; another batch size at the next start fills the gaps.
 */
export async function runProgress(
  advance: Advance,
  name: string,
  items: Items,
  sendRange: SendRange,
): Promise<Settled<ProgressRecord>> {
  const record = advance.journal.effect(name);
  if (record?.rejected !== undefined) return { stop: { kind: 'failed', ...record.rejected } };
  if (record?.doneAt !== undefined && record.progress !== undefined) return { done: record.progress };
  const refusal = record === undefined ? advance.refusesNewEffects() : advance.refusesResend(record);
  if (refusal !== undefined) return refusal;
  if (record?.notBefore !== undefined && record.notBefore > advance.now()) {
    return { stop: { kind: 'waiting', message: advance.execution.status.message, until: record.notBefore } };
  }
  const run = new BulkRun(advance, startOrGoOn(advance, name, items, record), items, sendRange);
  return advance.uninterrupted(() => run.settle());
}

function startOrGoOn(advance: Advance, name: string, items: Items, record: EffectRecord | undefined): EffectRecord {
  const sameItems = record?.progress?.digest === items.digest && record.progress.total === items.count;
  const progress: ProgressRecord =
    sameItems && record.progress !== undefined
      ? record.progress
      : { digest: items.digest, total: items.count, done: [], failed: [], failedCount: 0, receipts: [] };
  return {
    name,
    repeat: 'safe',
    request: { items: items.count, digest: items.digest },
    intentAt: advance.intentTime(),
    progress,
  };
}

class BulkRun {
  readonly #advance: Advance;
  readonly #items: Items;
  readonly #sendRange: SendRange;
  readonly #ranges: Iterator<Range>;
  readonly #endOfSlice: EpochMs;
  #record: EffectRecord;
  #progress: ProgressRecord;
  #checkpointAt: EpochMs;
  /** The first thing that ends this run before all is done. */
  #halt: { readonly error: unknown } | Outcome<never> | undefined;

  constructor(advance: Advance, record: EffectRecord, items: Items, sendRange: SendRange) {
    this.#advance = advance;
    this.#record = record;
    this.#progress = record.progress ?? { digest: '', total: 0, done: [], failed: [], failedCount: 0, receipts: [] };
    this.#items = items;
    this.#sendRange = sendRange;
    this.#ranges = openRanges(this.#progress.done, items.count, atLeastOne(items.batchSize));
    this.#checkpointAt = advance.now() + checkpointMs;
    this.#endOfSlice = advance.now() + sliceMs;
  }

  async settle(): Promise<Settled<ProgressRecord>> {
    const { journal } = this.#advance;
    const refusal = await this.#advance.originRefuses();
    if (refusal !== undefined) return refusal;
    if (!(await journal.writeIntent(this.#record, this.#advance.stop !== undefined))) return this.#advance.goAgain();
    this.#record = { ...this.#record, sentAt: this.#advance.now() };
    const lanes = Math.min(atLeastOne(this.#items.concurrency), this.#items.count);
    await Promise.all(Array.from({ length: lanes }, () => this.#lane()));
    this.#keep();
    if (this.#halt === undefined) return this.#done();
    return 'error' in this.#halt ? this.#failed(this.#halt.error) : { stop: this.#halt };
  }

  /** Takes one open range after the other until there is none, or the run is to end. */
  async #lane(): Promise<void> {
    while (this.#halt === undefined) {
      if (this.#isToEnd()) {
        this.#halt = this.#advance.goAgain().stop;
        return;
      }
      const next = this.#ranges.next();
      if (next.done) return;
      try {
        const [start, end] = next.value;
        this.#add(next.value, await this.#advance.withinSendLimit(() => this.#sendRange({ start, end })));
        if (this.#advance.now() >= this.#checkpointAt) await this.#checkpoint();
      } catch (error) {
        // For all lanes: the run ends when each of them has had its answer. What is final outdoes what is tried again.
        if (this.#halt === undefined || error instanceof Rejected) this.#halt = { error };
        return;
      }
    }
  }

  #isToEnd(): boolean {
    const { journal } = this.#advance;
    return journal.isOver || this.#advance.now() >= this.#endOfSlice || this.#advance.refusesNewEffects() !== undefined;
  }

  #add(range: Range, sent: Awaited<ReturnType<SendRange>>): void {
    const { done, failed, failedCount, ...rest } = this.#progress;
    const refused = sent.failed ?? [];
    const kept = refused.slice(0, limits.failedItems - failed.length);
    this.#progress = {
      ...rest,
      done: withRange(done, range),
      failed: [...failed, ...kept.map(({ index, message }) => ({ index, message: shortText(message, 500) }))],
      failedCount: failedCount + refused.length,
    };
    if (sent.receipt !== undefined) this.#addReceipt(sent.receipt);
  }

  /** Kept only if it can be stored: the items count as sent in any case. */
  #addReceipt(receipt: Json): void {
    const receipts = [...this.#progress.receipts, receipt];
    const { name } = this.#record;
    if (bytesOf(receipts) > limits.effectResultBytes) {
      throw new Rejected('TooLarge', `the receipts of ${name} are over ${limits.effectResultBytes} bytes`);
    }
    this.#progress = { ...this.#progress, receipts };
  }

  async #checkpoint(): Promise<void> {
    this.#checkpointAt = Number.POSITIVE_INFINITY;
    this.#keep();
    await this.#advance.journal.write();
    this.#checkpointAt = this.#advance.now() + checkpointMs;
  }

  #keep(changes: Partial<EffectRecord> = {}): void {
    this.#record = { ...this.#record, ...changes, progress: this.#progress };
    this.#advance.journal.noteEffect(this.#record);
  }

  #done(): Settled<ProgressRecord> {
    const { total, failedCount } = this.#progress;
    this.#keep({ doneAt: this.#advance.now(), result: { total, failedCount } });
    return { done: this.#progress };
  }

  #failed(error: unknown): Settled<ProgressRecord> {
    if (error instanceof Rejected) {
      const { reason } = error;
      const message = shortText(error.message);
      this.#keep({ rejected: { reason, message } });
      return { stop: { kind: 'failed', reason, message } };
    }
    if (error instanceof NotSent) {
      const notBefore = this.#advance.retryTime(error);
      this.#keep({ notBefore });
      return { stop: { kind: 'waiting', message: error.message, until: notBefore } };
    }
    return this.#advance.tryLater(error);
  }
}

function bytesOf(receipts: readonly Json[]): number {
  try {
    return jsonBytes(receipts);
  } catch (cause) {
    throw new Rejected('StepBroken', 'a receipt is not JSON', { cause });
  }
}

/** Sizes that are computed from limits may come out as anything; nothing at once would send nothing, or for ever. */
function atLeastOne(size: number): number {
  return Math.max(1, Math.floor(size) || 1);
}

/** What is not done yet, in pieces of at most `batchSize`. */
function* openRanges(done: readonly Range[], count: number, batchSize: number): Generator<Range> {
  let start = 0;
  for (const [doneStart, doneEnd] of [...done, [count, count] as const]) {
    for (; start < doneStart; start = Math.min(start + batchSize, doneStart)) {
      yield [start, Math.min(start + batchSize, doneStart)];
    }
    start = Math.max(start, doneEnd);
  }
}

/** Ascending, and joined where they touch. */
function withRange(ranges: readonly Range[], added: Range): readonly Range[] {
  const before = ranges.filter(([, end]) => end < added[0]);
  const after = ranges.filter(([start]) => start > added[1]);
  const touched = [...ranges.slice(before.length, ranges.length - after.length), added];
  return [
    ...before,
    [Math.min(...touched.map(([start]) => start)), Math.max(...touched.map(([, end]) => end))],
    ...after,
  ];
}
