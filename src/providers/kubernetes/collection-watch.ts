import { Type } from '@sinclair/typebox';
import type { Logger } from 'pino';
import { Rejected } from '../../core/effect.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import { fits } from '../../core/schema.ts';
import type { Release } from '../../core/signal.ts';
import type { Clock } from '../../core/time.ts';
import { type ClusterApi, isAnswer } from './cluster-api.ts';
import { type KubernetesObject, toKubernetesObject } from './kubernetes-object.ts';
import { watchEvents, withSilenceLimit } from './watch-stream.ts';

const pageSize = 500;
/** The server ends a watch after this, as client-go asks it to, so that clients spread over its replicas. */
const shortestWatchSeconds = 300;
const firstBackoffMs = 500;
const longestBackoffMs = 30_000;
/** A server that has just started refuses for a moment what its roles allow. */
const refusalsBeforeTold = 5;

const PageSchema = Type.Object({
  metadata: Type.Object({ resourceVersion: Type.String(), continue: Type.Optional(Type.String()) }),
  items: Type.Array(Type.Unknown()),
});

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

export interface CollectionWatchOptions {
  readonly api: ClusterApi;
  /** `/apis/apps/v1/namespaces/shop/deployments`, or those of all namespaces: `/apis/apps/v1/deployments`. */
  readonly path: string;
  /** Bookmarks come each minute, so that this much silence means that the connection is dead. */
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

interface Waited {
  readonly raises: Set<() => void>;
  /** Undefined: not known yet. */
  seen: Seen | undefined;
}

/** The resourceVersion that we know is too old to go on from. */
class Expired extends Error {}

/**
 * One list and watch for all that wait for objects of one resource in one namespace or in all. An object's key is its name,
 * after `<namespace>/` where the collection spans them. Kept of the collection are only the objects that are waited for. It
 * never gives up: what it misses, the next list shows.
 */
export class CollectionWatch {
  readonly #options: CollectionWatchOptions;
  readonly #waited = new Map<string, Waited>();
  readonly #ending = new AbortController();
  #resourceVersion: string | undefined;
  #failures = 0;
  #refusal: Rejected | undefined;
  #wakePause = () => {};

  constructor(options: CollectionWatchOptions) {
    this.#options = options;
    void this.#run();
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
    else if (!this.#waited.has(key) && this.#resourceVersion !== undefined) void this.#read(key, waited);
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
    this.#ending.abort();
    this.#wakePause();
  }

  async #run(): Promise<void> {
    const { log, path } = this.#options;
    // The subscription that this watch was made for is in place by then.
    await Promise.resolve();
    while (!this.#ending.signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list();
        await this.#follow(this.#resourceVersion ?? '');
        // Ended by the server, as it does every few minutes; one that says nothing before is no better than a failure.
        this.#failures += 1;
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        this.#failures += 1;
        if (error instanceof Expired) this.#resourceVersion = undefined;
        // Once the waiters know, it may stay so for days: a kind that is not installed is no news each half minute.
        else if (this.#refusal === undefined || !(error instanceof Rejected))
          log.warn({ err: error, path, failures: this.#failures }, 'a watch broke; it goes on');
        if (error instanceof Rejected && this.#failures >= refusalsBeforeTold) this.#refuse(error);
      }
      if (this.#failures > 1) await this.#pause();
    }
  }

  async #list(): Promise<void> {
    const { path, api } = this.#options;
    // Who comes later may have missed the page with his object.
    const covered = new Set(this.#waited.keys());
    const found = new Map<string, KubernetesObject>();
    let next: string | undefined = '';
    let resourceVersion = '';
    while (next !== undefined) {
      const from = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
      const answer = await api.get(`${path}?limit=${pageSize}${from}`, { signal: this.#ending.signal });
      if (answer.status === 410) throw new Expired();
      if (answer.status !== 200) throw this.#refusalOf(answer);
      if (!fits(PageSchema, answer.body)) throw new Error(`the cluster sent something that is no list of ${path}`);
      for (const item of answer.body.items) {
        const key = keyOf(path, item);
        const object = key !== undefined && this.#waited.has(key) ? toKubernetesObject(item) : undefined;
        if (key !== undefined && object !== undefined) found.set(key, object);
      }
      resourceVersion = answer.body.metadata.resourceVersion;
      next = answer.body.metadata.continue || undefined;
    }
    this.#resourceVersion = resourceVersion;
    this.#refusal = undefined;
    for (const [key, waited] of this.#waited) {
      if (covered.has(key)) this.#see(waited, { object: found.get(key), resourceVersion });
      else void this.#read(key, waited);
    }
  }

  /** Returns when the server ends the watch. */
  async #follow(resourceVersion: string): Promise<void> {
    const { path, api, clock, silenceLimitMs: limitMs, random } = this.#options;
    const timeoutSeconds = Math.round(shortestWatchSeconds * (1 + random()));
    const query = new URLSearchParams({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
    });
    const silent = new AbortController();
    const signal = AbortSignal.any([this.#ending.signal, silent.signal]);
    const opened = await api.open(`${path}?${query}`, signal);
    if (isAnswer(opened)) {
      if (opened.status === 410) throw new Expired();
      throw this.#refusalOf(opened);
    }
    const onSilence = () => silent.abort(new Error(`nothing was heard for ${limitMs} ms`));
    for await (const { type, object } of watchEvents(withSilenceLimit(opened, { clock, limitMs, onSilence }))) {
      this.#take(type, object);
      this.#failures = 0;
    }
  }

  #take(type: string, value: Json): void {
    if (type === 'ERROR') {
      const { code, message } = isJsonObject(value) ? value : {};
      if (code === 410) throw new Expired();
      throw new Error(`the cluster ended the watch: ${code} ${message}`);
    }
    const resourceVersion = resourceVersionOf(value);
    if (resourceVersion !== undefined) this.#resourceVersion = resourceVersion;
    if (type === 'BOOKMARK') return;
    const key = keyOf(this.#options.path, value);
    const waited = key === undefined ? undefined : this.#waited.get(key);
    if (waited === undefined) return;
    const object = toKubernetesObject(value);
    if (object === undefined) throw new Error('the cluster sent an event without an object');
    this.#see(waited, { object: type === 'DELETED' ? undefined : object, resourceVersion });
  }

  /** For an object that was not waited for when the collection was listed. */
  async #read(key: string, waited: Waited): Promise<void> {
    try {
      const { api, path } = this.#options;
      const answer = await api.get(pathOf(path, key), { signal: this.#ending.signal });
      const object = answer.status === 200 ? toKubernetesObject(answer.body) : undefined;
      if (object === undefined && answer.status !== 404) throw this.#refusalOf(answer);
      // What an event told in the meantime is newer.
      if (waited.seen === undefined) this.#see(waited, { object, resourceVersion: object?.metadata.resourceVersion });
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#options.log.debug({ err: error, key }, 'an object could not be read for its watch; its waiters look again');
      raiseAll(waited);
    }
  }

  /** After a new list most objects are as they were. */
  #see(waited: Waited, seen: Seen): void {
    const before = waited.seen;
    waited.seen = seen;
    if (before === undefined || !isSame(before.object, seen.object)) raiseAll(waited);
  }

  #refuse(error: Rejected): void {
    const isNew = this.#refusal === undefined;
    this.#refusal = error;
    if (!isNew) return;
    // Whatever was seen before, what comes after it is news, and begins with a list.
    this.#resourceVersion = undefined;
    for (const waited of this.#waited.values()) {
      waited.seen = undefined;
      raiseAll(waited);
    }
  }

  #refusalOf(answer: Parameters<ClusterApi['refusal']>[0]): Error {
    const { api, path } = this.#options;
    if (answer.status === 404) return new Rejected('NotFound', `the cluster no longer serves ${path}`);
    return api.refusal(answer, { act: `list and watch ${path}`, grant: 'get, list and watch on it' });
  }

  async #pause(): Promise<void> {
    const { clock, random } = this.#options;
    const limitMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** (this.#failures - 2));
    await new Promise<void>((resolve) => {
      const cancel = clock.at(clock.now() + random() * limitMs, resolve);
      this.#wakePause = () => {
        cancel();
        resolve();
      };
    });
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

function metadataOf(value: unknown) {
  return isJsonObject(value) && isJsonObject(value.metadata) ? value.metadata : {};
}

function resourceVersionOf(value: Json): string | undefined {
  const { resourceVersion } = metadataOf(value);
  return typeof resourceVersion === 'string' ? resourceVersion : undefined;
}

/** What its waiters call it. Undefined where it is no object. */
function keyOf(collection: string, value: unknown): string | undefined {
  const { name, namespace } = metadataOf(value);
  if (typeof name !== 'string') return undefined;
  const isSpanned = typeof namespace === 'string' && !collection.includes('/namespaces/');
  return isSpanned ? `${namespace}/${name}` : name;
}

function pathOf(collection: string, key: string): string {
  const [name = '', namespace] = key.split('/').reverse();
  if (namespace === undefined) return `${collection}/${encodeURIComponent(name)}`;
  const plural = collection.lastIndexOf('/');
  const inNamespace = `${collection.slice(0, plural)}/namespaces/${encodeURIComponent(namespace)}`;
  return `${inNamespace}${collection.slice(plural)}/${encodeURIComponent(name)}`;
}
