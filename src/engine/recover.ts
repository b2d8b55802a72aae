import type { ExecutionStore, UnfinishedEntry } from '../core/store.ts';
import type { Clock, EpochMs } from '../core/time.ts';
import type { Turns } from './turns.ts';

/** Everything that is overdue after a restart comes within this time per thousand, so that no provider meets all of it at once. */
const spreadMsPerThousand = 100;

/** Indexes all that has not ended: what was perhaps sent is due at once, then what was stopped or is overdue, spread a little. */
export async function recover(store: ExecutionStore, turns: Turns, clock: Clock, random: () => number): Promise<void> {
  const now = clock.now();
  for await (const block of store.unfinished()) {
    for (const entry of block) {
      turns.add(entry, { deadline: entry.deadline, at: dueAt(entry, now, turns.size, random), signals: entry.signals });
    }
  }
}

function dueAt(entry: UnfinishedEntry, now: EpochMs, count: number, random: () => number): EpochMs {
  if (entry.hasOpenEffect) return now;
  const isDue = entry.isStopped || (entry.wakeAt === undefined && entry.signals.length === 0);
  const at = isDue ? now : Math.min(entry.wakeAt ?? entry.deadline, entry.deadline);
  return at > now ? at : now + 1 + (random() * count * spreadMsPerThousand) / 1_000;
}
