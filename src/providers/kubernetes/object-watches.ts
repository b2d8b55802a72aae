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

  /** By the object's path: watches the collection that the path shows, which is one namespace's. */
  subscribe(path: string, raise: () => void): Release {
    const { collection, name } = split(path);
    return this.subscribeIn(collection, name, raise);
  }

  /** By the key in a collection: the name, or `<namespace>/<name>` where the collection spans all namespaces. */
  subscribeIn(collection: string, key: string, raise: () => void): Release {
    const watch = this.#watches.get(collection) ?? new CollectionWatch({ ...this.#options, path: collection });
    this.#watches.set(collection, watch);
    const release = watch.subscribe(key, raise);
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
    return this.lookIn(collection, name);
  }

  lookIn(collection: string, key: string): Sight | undefined {
    return this.#watches.get(collection)?.look(key);
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
