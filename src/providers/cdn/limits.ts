import { Type } from '@sinclair/typebox';
import type { CdnLimits, CdnProvider, PurgeKind } from './provider.ts';

const RateSchema = Type.Object(
  { capacity: Type.Number({ minimum: 1 }), perSecond: Type.Number({ exclusiveMinimum: 0 }) },
  { additionalProperties: false },
);

/** A connection's `limits`: any part of CdnLimits, with the kinds and rates that the provider has. */
export function limitsSchema(provider: CdnProvider) {
  const perKind = Type.Partial(
    Type.Object(Object.fromEntries(Object.keys(provider.kinds).map((kind) => [kind, Type.Integer({ minimum: 1 })]))),
    { additionalProperties: false },
  );
  const rates = Type.Partial(
    Type.Object(Object.fromEntries(Object.keys(provider.rates).map((name) => [name, RateSchema]))),
    { additionalProperties: false },
  );
  return Type.Object(
    {
      maxItems: Type.Optional(perKind),
      maxBytes: Type.Optional(perKind),
      rates: Type.Optional(rates),
      concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 256 })),
    },
    { additionalProperties: false, description: "What differs from the provider's limits as we know them." },
  );
}

/** What limitsSchema lets through. */
export type LimitsOverride = { readonly [Key in keyof CdnLimits]?: CdnLimits[Key] };

export function overridden(limits: CdnLimits, override: LimitsOverride = {}): CdnLimits {
  return {
    maxItems: { ...limits.maxItems, ...override.maxItems },
    maxBytes: { ...limits.maxBytes, ...override.maxBytes },
    rates: { ...limits.rates, ...override.rates },
    concurrency: override.concurrency ?? limits.concurrency,
  };
}

/** How large one call may be. */
export interface CallSize {
  readonly items: number;
  readonly bytes: number;
}

export function callSizeOf(limits: CdnLimits, kind: PurgeKind): CallSize {
  return { items: limits.maxItems[kind] ?? 1, bytes: limits.maxBytes?.[kind] ?? Number.POSITIVE_INFINITY };
}

/** The largest count of which any neighbours fit into one call: whichever range of that count is sent, it is one call. */
export function largestWindow(itemBytes: readonly number[], size: CallSize): number {
  let start = 0;
  let bytes = 0;
  let shortestFull = Math.min(size.items, itemBytes.length);
  for (const [end, added] of itemBytes.entries()) {
    bytes += added;
    while (bytes > size.bytes && start < end) {
      // The items start..end are one too many, so that any window that fits everywhere is shorter.
      shortestFull = Math.min(shortestFull, end - start);
      bytes -= itemBytes[start] ?? 0;
      start += 1;
    }
  }
  return Math.max(1, shortestFull);
}

/** Cuts [0, itemBytes.length) into calls that are within the size; an item that is too long by itself stands alone. */
export function cutIntoCalls(itemBytes: readonly number[], size: CallSize): (readonly [start: number, end: number])[] {
  const calls: [number, number][] = [];
  let start = 0;
  let bytes = 0;
  for (const [index, added] of itemBytes.entries()) {
    if (index > start && (index - start >= size.items || bytes + added > size.bytes)) {
      calls.push([start, index]);
      start = index;
      bytes = 0;
    }
    bytes += added;
  }
  if (start < itemBytes.length) calls.push([start, itemBytes.length]);
  return calls;
}
