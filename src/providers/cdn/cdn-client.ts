import type { ProviderTools } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import { type ExecutionKey, keyText } from '../../core/execution.ts';
import type { Json } from '../../core/json.ts';
import { withFate } from '../http-client.ts';
import { shortened } from './answer.ts';
import { type CallSize, callSizeOf, cutIntoCalls, largestWindow } from './limits.ts';
import {
  CallTooLarge,
  type CdnLimits,
  type CdnProvider,
  type CdnSender,
  type EffectKnowledge,
  ItemsRefused,
  type PurgeCall,
  type PurgeKind,
  type RefusedItem,
  type SendAnswer,
  type SentCall,
} from './provider.ts';
import { RateLimits } from './rate-limits.ts';

/** So many items of one call refused alone, in the same words, and none accepted: it is not the items that are wrong. */
const hopelessRefusals = 8;

/** Interrupted purges to go on with; the rest start anew, which costs only calls. */
const mostInterrupted = 200;

export interface Purged {
  readonly failed: readonly RefusedItem[];
  /** One for each call that gave one. */
  readonly receipts: readonly Json[];
}

export interface PurgeWork {
  readonly kind: PurgeKind;
  readonly items: readonly string[];
}

export interface Estimate {
  readonly calls: readonly {
    readonly kind: PurgeKind;
    readonly method: string;
    readonly url: string;
    readonly count: number;
  }[];
  readonly seconds: number;
  readonly costUsd: number | undefined;
}

export interface CdnClientParts {
  readonly provider: CdnProvider;
  readonly sender: CdnSender;
  readonly limits: CdnLimits;
  readonly tools: ProviderTools;
}

/** A CDN as the step sees it. One per connection, so that all executions share its rate limits. */
export class CdnClient {
  readonly type: string;
  readonly kinds: CdnProvider['kinds'];
  readonly concurrency: number;
  readonly effect: EffectKnowledge;
  readonly #parts: CdnClientParts;
  readonly #rates: RateLimits;
  /** What the provider found too large makes all later calls smaller, until the next start. */
  readonly #learnedMaxItems = new Map<PurgeKind, number>();
  /** By execution and range: with a call each 12 s, bisecting would never end if each pause started it anew. */
  readonly #interrupted = new Map<string, Pass>();

  constructor(parts: CdnClientParts) {
    this.type = parts.provider.type;
    this.kinds = parts.provider.kinds;
    this.concurrency = parts.limits.concurrency;
    this.effect = parts.sender.effect;
    this.#parts = parts;
    this.#rates = new RateLimits(parts.provider, parts.limits.rates, parts.tools.clock);
  }

  /** How many items to hand to one `purge`, so that it is one call wherever that range begins. */
  batchSize(kind: PurgeKind, items: readonly string[]): number {
    return largestWindow(this.#bytesOf(kind, items), this.#callSize(kind));
  }

  /**
   * Purges all items but those in `failed`. Throws NotSent, Rejected, or anything else where it may have happened; the
   * same purge for the same execution then goes on where it stopped, though not after a restart.
   */
  async purge(call: PurgeCall, execution: ExecutionKey): Promise<Purged> {
    const key = `${keyText(execution)} ${call.kind} ${call.items.length} ${call.items[0]}`;
    const pass = this.#interrupted.get(key) ?? this.#begin({ ...call, execution });
    this.#interrupted.delete(key);
    try {
      for (let [group] = pass.pending; group !== undefined; [group] = pass.pending) await this.#send(pass, group);
    } catch (error) {
      this.#interrupted.set(key, pass);
      const [oldest] = this.#interrupted.keys();
      if (this.#interrupted.size > mostInterrupted && oldest !== undefined) this.#interrupted.delete(oldest);
      throw error;
    }
    return pass;
  }

  /** What purging would take, from the limits alone and with full buckets. */
  estimate(work: readonly PurgeWork[], soft: boolean): Estimate {
    const loads = work.map(({ kind, items }) => {
      return { kind, items: items.length, calls: Math.ceil(items.length / this.batchSize(kind, items)) };
    });
    const costs = loads.flatMap(({ kind, items }) => {
      const usdPerItem = this.kinds[kind]?.usdPerItem;
      return usdPerItem === undefined ? [] : [usdPerItem * items];
    });
    return {
      calls: loads.flatMap(({ kind, calls: count }) =>
        this.#parts.sender.describe(kind, soft).map((place) => ({ kind, ...place, count })),
      ),
      seconds: this.#rates.secondsFor(loads),
      costUsd: costs.length === 0 ? undefined : costs.reduce((sum, cost) => sum + cost, 0),
    };
  }

  /** What fits the provider, cut into calls. */
  #begin(call: SentCall): Pass {
    const pass = new Pass(call);
    const sendable: number[] = [];
    for (const [index, item] of call.items.entries()) {
      const refusal = this.#parts.sender.refusal?.(call.kind, item);
      if (refusal === undefined) sendable.push(index);
      else pass.refuse(index, refusal);
    }
    const itemBytes = this.#bytesOf(call.kind, sendable.map(pass.itemAt));
    pass.pending = cutIntoCalls(itemBytes, this.#callSize(call.kind)).map(([start, end]) => sendable.slice(start, end));
    return pass;
  }

  /** One call; afterwards its group is no longer pending, or halved. */
  async #send(pass: Pass, group: readonly number[]): Promise<void> {
    const { kind } = pass.call;
    await this.#rates.takeTurn(kind, group.length);
    try {
      pass.accept(group, await this.#parts.sender.send({ ...pass.call, items: group.map(pass.itemAt) }));
    } catch (error) {
      if (error instanceof NotSent && error.notBefore !== undefined) {
        this.#rates.heed(error.notBefore, kind, group.length);
      }
      if (!(error instanceof CallTooLarge || error instanceof ItemsRefused)) throw withFate(error);
      if (group.length === 1) {
        pass.refuse(group[0] ?? 0, error.message);
        pass.assertHope();
      } else {
        const half = Math.ceil(group.length / 2);
        pass.pending.splice(1, 0, group.slice(0, half), group.slice(half));
        if (error instanceof CallTooLarge) this.#learnMaxItems(kind, half);
      }
    }
    pass.pending.shift();
  }

  #callSize(kind: PurgeKind): CallSize {
    const { items, bytes } = callSizeOf(this.#parts.limits, kind);
    return { items: Math.min(items, this.#learnedMaxItems.get(kind) ?? items), bytes };
  }

  #learnMaxItems(kind: PurgeKind, items: number): void {
    this.#learnedMaxItems.set(kind, Math.min(this.#learnedMaxItems.get(kind) ?? items, items));
    const { log } = this.#parts.tools;
    log.warn({ provider: this.type, kind, items }, 'the provider finds calls too large, so they are halved');
  }

  #bytesOf(kind: PurgeKind, items: readonly string[]): number[] {
    return items.map((item) => this.#parts.provider.itemBytes?.(kind, item) ?? 0);
  }
}

/** One purge on its way through its calls. */
class Pass implements Purged {
  readonly call: SentCall;
  /** The calls to come, as indexes of their items. */
  pending: (readonly number[])[] = [];
  readonly failed: RefusedItem[] = [];
  readonly receipts: Json[] = [];
  readonly itemAt: (index: number) => string;
  #hasAccepted = false;

  constructor(call: SentCall) {
    this.call = call;
    this.itemAt = (index) => call.items[index] ?? '';
  }

  refuse(index: number, message: string): void {
    this.failed.push({ index, message: shortened(message) });
  }

  /** Throws where going on with bisecting would only cost calls, such as for a kind that the account's plan does not have. */
  assertHope(): void {
    const [first] = this.failed;
    const isHopeless =
      first !== undefined &&
      !this.#hasAccepted &&
      this.failed.length >= hopelessRefusals &&
      this.failed.every(({ message }) => message === first.message);
    if (!isHopeless) return;
    const message = `${first.message} (said of ${this.failed.length} ${this.call.kind} one by one; the rest was not sent)`;
    throw new Rejected('EffectFailed', message);
  }

  accept(group: readonly number[], answer: SendAnswer): void {
    this.#hasAccepted = true;
    for (const { index, message } of answer.failed ?? []) this.refuse(group[index] ?? 0, message);
    if (answer.receipt !== undefined) this.receipts.push(answer.receipt);
  }
}
