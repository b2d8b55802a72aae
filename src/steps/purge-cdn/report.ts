import type { ProgressRecord } from '../../core/execution.ts';
import { type Json, jsonBytes } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Outcome, StepContext } from '../../core/step.ts';
import type { PurgeWork } from '../../providers/cdn/cdn-client.ts';
import { type PurgeKind, purgeKinds } from '../../providers/cdn/provider.ts';
import { type Outputs, type Params, totalOf } from './params.ts';

/** A part of what outputs may hold: refused items can be long, and there is more to tell. */
const failedBytes = limits.outputsBytes / 2;

/** The journal entry of a kind. */
export function effectName(kind: PurgeKind): string {
  return `purge-${kind}`;
}

/** What became of each kind so far, and the outcomes that follow from it. */
export class Report {
  provider = '';
  readonly #params: Params;
  readonly #work: readonly PurgeWork[];
  readonly #records = new Map<PurgeKind, ProgressRecord>();

  constructor(params: Params, work: readonly PurgeWork[]) {
    this.#params = params;
    this.#work = work;
  }

  add(kind: PurgeKind, record: ProgressRecord): void {
    this.#records.set(kind, record);
  }

  /** All that providers gave for asking later; each range gave a list. */
  receipts(): Json[] {
    return [...this.#records.values()].flatMap(({ receipts }) =>
      receipts.flatMap((list) => (Array.isArray(list) ? list : [])),
    );
  }

  outputs(): Outputs {
    const purged = Object.fromEntries(purgeKinds.map((kind) => [kind, this.#purgedOf(kind)]));
    return {
      purged,
      failed: this.#failed(),
      failedCount: this.#failedCount(),
      provider: this.provider,
      connection: this.#params.connection ?? '',
    };
  }

  finished(): Outcome<Outputs> {
    const outputs = this.outputs();
    const total = totalOf(this.#work);
    const failed = outputs.failedCount;
    const [first] = outputs.failed;
    if (failed === 0)
      return { kind: 'succeeded', outputs, message: `purged ${total} ${total === 1 ? 'item' : 'items'}` };
    const example = first === undefined ? '' : `, such as ${first.item}: ${first.message}`;
    return failed === total
      ? { kind: 'failed', reason: 'EffectFailed', message: `all ${total} items were refused${example}`, outputs }
      : {
          kind: 'failed',
          reason: 'PartlyFailed',
          message: `${failed} of ${total} items were refused${example}`,
          outputs,
        };
  }

  /** The outcome that the engine wants now; where it is the last, it tells what was purged before. */
  interrupted(outcome: Outcome<never>): Outcome<Outputs> {
    return outcome.kind === 'failed' ? { ...outcome, outputs: this.outputs() } : outcome;
  }

  /** What was purged before the stop is reported as it is; nothing more is sent. */
  stopped(context: StepContext, stop: NonNullable<StepContext['stop']>): Outcome<Outputs> {
    let isComplete = true;
    for (const { kind } of this.#work) {
      const effect = context.execution.status.effects.find(({ name }) => name === effectName(kind));
      if (effect?.progress !== undefined) this.add(kind, effect.progress);
      if (effect?.doneAt === undefined || effect.doneAt > stop.at) isComplete = false;
    }
    const isJudged = this.#params.waitFor === 'accepted' || this.receipts().length === 0;
    if (isComplete && isJudged) return this.finished();
    return { kind: 'failed', reason: stop.reason, message: stop.message, outputs: this.outputs() };
  }

  #purgedOf(kind: PurgeKind): number {
    const record = this.#records.get(kind);
    if (record === undefined) return 0;
    return record.done.reduce((sum, [start, end]) => sum + end - start, 0) - record.failedCount;
  }

  #failedCount(): number {
    return [...this.#records.values()].reduce((sum, { failedCount }) => sum + failedCount, 0);
  }

  #failed(): Outputs['failed'] {
    const failed: Outputs['failed'] = [];
    let bytes = 0;
    for (const { kind, items } of this.#work) {
      for (const { index, message } of this.#records.get(kind)?.failed ?? []) {
        const entry = { kind, item: items[index] ?? '', message };
        bytes += jsonBytes(entry);
        if (failed.length === limits.failedItems || bytes > failedBytes) return failed;
        failed.push(entry);
      }
    }
    return failed;
  }
}
