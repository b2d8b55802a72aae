import type { Static, TObject, TProperties } from '@sinclair/typebox';
import type { ProviderTools } from '../../core/connection.ts';
import type { ExecutionKey } from '../../core/execution.ts';
import type { Json } from '../../core/json.ts';
import type { EpochMs } from '../../core/time.ts';
import type { Rate } from '../../core/token-bucket.ts';

/** What can be purged, in the one vocabulary for all providers. Each is sent as exactly that kind, never as a wider one. */
export const purgeKinds = ['urls', 'tags', 'prefixes', 'hosts', 'everything'] as const;
export type PurgeKind = (typeof purgeKinds)[number];

/** One call to the provider. `everything` has one item, whose text means nothing. */
export interface PurgeCall {
  readonly kind: PurgeKind;
  /** Normalised, see purge-item.ts; without doubles. */
  readonly items: readonly string[];
  /** Make stale instead of dropping. */
  readonly soft: boolean;
}

/** A call on its way out. */
export interface SentCall extends PurgeCall {
  /** Whose purge it is: that of the same items for the same execution is a repeat. */
  readonly execution: ExecutionKey;
}

export interface RefusedItem {
  /** Into the items given. */
  readonly index: number;
  readonly message: string;
}

/** The kind's place in the provider's offer. */
interface KindOffer {
  /** Whether it can be purged softly too. */
  readonly soft: boolean;
  /** The names of the rate limits that its calls are counted against. */
  readonly rates: readonly string[];
  readonly usdPerItem?: number;
}

/** Numbers that change and that vendors' pages disagree on: data, which a connection's `limits` overrides key by key. */
export interface CdnLimits {
  /** Per call. */
  readonly maxItems: Readonly<Partial<Record<PurgeKind, number>>>;
  /** Per call, measured by itemBytes; absent: not limited by bytes. */
  readonly maxBytes?: Readonly<Partial<Record<PurgeKind, number>>>;
  readonly rates: Readonly<Record<string, Rate>>;
  /** Calls under way at once. */
  readonly concurrency: number;
}

/**
 * One CDN. What it declares here is all that configuration, the step, the plan and the docs know of it; batches, rates,
 * halving, bisecting and repeating are cdn-client.ts's work, once for all.
 */
export interface CdnProvider<O extends TProperties = TProperties> {
  readonly type: string;
  /** Its own options; `limits` and `sendTimeout` are added. Credentials are options whose names end in `File`. */
  readonly options: O;
  readonly kinds: Readonly<Partial<Record<PurgeKind, KindOffer>>>;
  /** Its rate limits by name, and what each counts. */
  readonly rates: Readonly<Record<string, { readonly counts: 'calls' | 'items' }>>;
  limits(options: Static<TObject<O>>): CdnLimits;
  /** What an item adds to a call's bytes, separators included. Needed where there are maxBytes. */
  itemBytes?(kind: PurgeKind, item: string): number;
  open(options: Static<TObject<O>>, tools: SenderTools): CdnSender;
}

export interface SenderTools extends ProviderTools {
  /** For one HTTP exchange. */
  readonly sendTimeoutMs: number;
}

export interface CdnSender {
  /**
   * Sends one call that is within the limits. A purge may be repeated, so whatever leaves its fate open is just thrown.
   * What is known is said: NotSent (with notBefore, for a rate limit), Rejected (no call of this connection can work),
   * CallTooLarge, ItemsRefused.
   */
  send(call: SentCall): Promise<SendAnswer>;
  /** Why this provider cannot take an item that is otherwise well-formed; undefined: it can. Nothing is sent. */
  refusal?(kind: PurgeKind, item: string): string | undefined;
  /** For the plan: each place that one call goes to, without secrets. */
  describe(kind: PurgeKind, soft: boolean): readonly { readonly method: string; readonly url: string }[];
  /** When an accepted purge has taken effect. */
  readonly effect: EffectKnowledge;
}

export interface SendAnswer {
  /** Items that the provider names as refused; all others were accepted. */
  readonly failed?: readonly RefusedItem[];
  /** For `effective`, such as a job's id. Short: all receipts of an execution share 16 KiB. */
  readonly receipt?: Json;
}

/**
 * `at-once`: accepted is effective. `unknown`: the provider has no way to tell. Otherwise it is asked with the receipts,
 * once for all calls of an execution, and says when to ask again.
 */
export type EffectKnowledge =
  | 'at-once'
  | 'unknown'
  | ((receipts: readonly Json[]) => Promise<{ readonly effective: true } | { readonly askAgainAt: EpochMs }>);

/** The provider finds the call too large. The client halves it, and keeps to the smaller size from then on. */
export class CallTooLarge extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CallTooLarge';
  }
}

/** The provider refuses the whole call because of items that it does not name. The client finds them by bisecting. */
export class ItemsRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ItemsRefused';
  }
}

/** Fixes the options' types of a literal. */
export function defineCdnProvider<O extends TProperties>(provider: CdnProvider<O>): CdnProvider<O> {
  return provider;
}

/** The kinds as people read them: `urls (also soft), tags`. */
export function kindsInWords(kinds: CdnProvider['kinds']): string {
  return purgeKinds
    .flatMap((kind) => (kinds[kind] === undefined ? [] : [kinds[kind].soft ? `${kind} (also soft)` : kind]))
    .join(', ');
}
