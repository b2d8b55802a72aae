import type { Rejected } from '../../core/effect.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { Release } from '../../core/signal.ts';
import { type KubernetesObject, toKubernetesObject } from './kubernetes-object.ts';
import { ListWatch, type ListWatchOptions } from './list-watch.ts';

/** What a watch has seen of one object. */
export interface Seen {
  /** Undefined: it is not there. */
  readonly object: KubernetesObject | undefined;
  /** As of which resourceVersion of the collection. Absent: as of a read that found nothing, which says none. */
  readonly resourceVersion?: string | undefined;
}

/** What a watch knows of one object. */
export type Sight =
  | Seen
  /** The collection cannot be watched, and why. */
  | { readonly refused: Rejected };

export type CollectionWatchOptions = Pick<
  ListWatchOptions,
  'api' | 'path' | 'silenceLimitMs' | 'clock' | 'log' | 'random'
>;

interface Waited {
  readonly raises: Set<() => void>;
  /** Undefined: not known yet. */
  seen: Seen | undefined;
}

/**
 * One list and watch for all that wait for objects of one resource in one namespace or in all. An object's key is its name,
 * after `<namespace>/` where the collection spans them. Kept of the collection are only the objects that are waited for.
 */
export class CollectionWatch {
  readonly #options: CollectionWatchOptions;
  readonly #waited = new Map<string, Waited>();
  readonly #watch: ListWatch;
  /** Who comes while a list is read may have missed the page with his object. */
  #covered: ReadonlySet<string> = new Set();
  #refusal: Rejected | undefined;

  constructor(options: CollectionWatchOptions) {
    this.#options = options;
    this.#watch = new ListWatch({
      ...options,
      onListing: () => {
        this.#covered = new Set(this.#waited.keys());
      },
      keep: (object) => this.#waited.has(this.#keyOf(object)),
      onList: (objects, resourceVersion) => this.#onList(objects, resourceVersion),
      onEvent: (type, object, resourceVersion) => {
        const waited = this.#waited.get(this.#keyOf(object));
        if (waited === undefined) return;
        const there = toKubernetesObject(object);
        if (there === undefined) throw new Error('the cluster sent an event without an object');
        this.#see(waited, { object: type === 'DELETED' ? undefined : there, resourceVersion });
      },
      onRefused: (why) => {
        this.#refusal = why;
        for (const waited of this.#waited.values()) {
          waited.seen = undefined;
          raiseAll(waited);
        }
      },
    });
  }

  get isUnused(): boolean {
    return this.#waited.size === 0;
  }

  subscribe(key: string, raise: () => void): Release {
    const waited: Waited = this.#waited.get(key) ?? { raises: new Set(), seen: undefined };
    // One of its own, for the same function may subscribe twice.
    const own = () => raise();
    waited.raises.add(own);
    if (waited.seen !== undefined || this.#refusal !== undefined) own();
    else if (!this.#waited.has(key) && this.#watch.isListed) void this.#read(key, waited);
    this.#waited.set(key, waited);
    return () => {
      waited.raises.delete(own);
      if (waited.raises.size === 0 && this.#waited.get(key) === waited) this.#waited.delete(key);
    };
  }

  /** Undefined: not known yet, or not waited for. */
  look(key: string): Sight | undefined {
    return this.#refusal === undefined ? this.#waited.get(key)?.seen : { refused: this.#refusal };
  }

  close(): void {
    this.#watch.close();
  }

  #onList(objects: readonly JsonObject[], resourceVersion: string): void {
    const found = new Map(objects.map((object) => [this.#keyOf(object), toKubernetesObject(object)]));
    this.#refusal = undefined;
    for (const [key, waited] of this.#waited) {
      if (this.#covered.has(key)) this.#see(waited, { object: found.get(key), resourceVersion });
      else void this.#read(key, waited);
    }
  }

  /** For an object that was not waited for when the collection was listed. */
  async #read(key: string, waited: Waited): Promise<void> {
    const { api, path, log } = this.#options;
    try {
      const answer = await api.get(pathOf(path, key), { signal: this.#watch.ending });
      const object = answer.status === 200 ? toKubernetesObject(answer.body) : undefined;
      if (object === undefined && answer.status !== 404) {
        throw api.refusal(answer, { act: `read ${key} of ${path}`, grant: 'get on it' });
      }
      // What an event told in the meantime is newer.
      if (waited.seen === undefined) this.#see(waited, { object, resourceVersion: object?.metadata.resourceVersion });
    } catch (error) {
      if (this.#watch.ending.aborted) return;
      log.debug({ err: error, key }, 'an object could not be read for its watch; its waiters look again');
      raiseAll(waited);
    }
  }

  /** After a new list most objects are as they were. */
  #see(waited: Waited, seen: Seen): void {
    const before = waited.seen;
    waited.seen = seen;
    if (before === undefined || !isSame(before.object, seen.object)) raiseAll(waited);
  }

  /** What its waiters call it. */
  #keyOf({ metadata }: JsonObject): string {
    const { name, namespace } = isJsonObject(metadata) ? metadata : {};
    const isSpanned = namespace !== undefined && !this.#options.path.includes('/namespaces/');
    return isSpanned ? `${namespace}/${name}` : String(name);
  }
}

function raiseAll({ raises }: Waited): void {
  for (const raise of [...raises]) raise();
}

function isSame(one: KubernetesObject | undefined, other: KubernetesObject | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const [{ uid, resourceVersion }, next] = [one.metadata, other.metadata];
  return resourceVersion !== undefined && resourceVersion === next.resourceVersion && uid === next.uid;
}

function pathOf(collection: string, key: string): string {
  const [name = '', namespace] = key.split('/').reverse();
  if (namespace === undefined) return `${collection}/${encodeURIComponent(name)}`;
  const plural = collection.lastIndexOf('/');
  const inNamespace = `${collection.slice(0, plural)}/namespaces/${encodeURIComponent(namespace)}`;
  return `${inNamespace}${collection.slice(plural)}/${encodeURIComponent(name)}`;
}
