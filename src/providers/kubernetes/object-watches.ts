import type { Release } from '../../core/signal.ts';
import { CollectionWatch, type CollectionWatchOptions, type Sight } from './collection-watch.ts';

/** One watch for each collection that anything waits in, shared by all that do, ended with the last of them. */
export class ObjectWatches {
  readonly #options: Omit<CollectionWatchOptions, 'path'>;
  readonly #watches = new Map<string, CollectionWatch>();

  constructor(options: Omit<CollectionWatchOptions, 'path'>) {
    this.#options = options;
  }

  /** How many watches stand. */
  get size(): number {
    return this.#watches.size;
  }

  /** By the object's path. */
  subscribe(path: string, raise: () => void): Release {
    const { collection, name } = split(path);
    const watch = this.#watches.get(collection) ?? new CollectionWatch({ ...this.#options, path: collection });
    this.#watches.set(collection, watch);
    const release = watch.subscribe(name, raise);
    return () => {
      release();
      if (!watch.isUnused || this.#watches.get(collection) !== watch) return;
      this.#watches.delete(collection);
      watch.close();
    };
  }

  /** What is known of an object without asking the cluster. Undefined: nothing. */
  look(path: string): Sight | undefined {
    const { collection, name } = split(path);
    return this.#watches.get(collection)?.look(name);
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
  }
}

function split(path: string): { readonly collection: string; readonly name: string } {
  const slash = path.lastIndexOf('/');
  return { collection: path.slice(0, slash), name: decodeURIComponent(path.slice(slash + 1)) };
}
