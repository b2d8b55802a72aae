import type { Rejected } from '../../core/effect.ts';
import type { Clock } from '../../core/time.ts';
import { formatDurationMs } from '../../core/time.ts';
import { ListWatch, type ListWatchOptions } from '../../providers/kubernetes/list-watch.ts';

/** A process that cannot begin for so long is better started anew, which people see. */
const limitMs = 60_000;

/** A list and watch, and the promise of its first list: it rejects where the collection is refused, or does not come. */
export function openListWatch(options: Omit<ListWatchOptions, 'onRefused'> & { readonly clock: Clock }): {
  readonly watch: ListWatch;
  readonly ready: Promise<void>;
} {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const { clock, path } = options;
  const cancel = clock.at(clock.now() + limitMs, () =>
    reject(new Error(`the cluster did not list ${path} within ${formatDurationMs(limitMs)}`)),
  );
  const watch = new ListWatch({ ...options, onRefused: (why: Rejected) => reject(why) });
  const ready = Promise.race([watch.ready, failed]).finally(cancel);
  failed.catch(() => undefined);
  return { watch, ready };
}
