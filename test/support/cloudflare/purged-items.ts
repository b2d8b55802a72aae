import type { Purge, PurgeKind } from './purge-request.ts';

/** What was purged, each item as often as it was: to tell "once" from "at least once". */
export class PurgedItems {
  /** In the order of their arrival. */
  readonly purges: Purge[] = [];

  add(purge: Purge): void {
    this.purges.push(purge);
  }

  /** How often this item was purged, see Purge.items for how it is written. */
  count(kind: PurgeKind, item: string): number {
    return this.counts(kind).get(item) ?? 0;
  }

  counts(kind: PurgeKind): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const purge of this.purges) {
      if (purge.kind !== kind) continue;
      for (const item of purge.items) counts.set(item, (counts.get(item) ?? 0) + 1);
    }
    return counts;
  }
}
