import { Type } from '@sinclair/typebox';
import type { Logger } from 'pino';
import { Rejected } from '../../core/effect.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { fits } from '../../core/schema.ts';
import type { Clock } from '../../core/time.ts';
import { type ClusterApi, isAnswer } from './cluster-api.ts';
import { part, text } from './kubernetes-object.ts';
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

export interface ListWatchOptions {
  readonly api: ClusterApi;
  /** `/apis/apps/v1/namespaces/shop/deployments`, or those of all namespaces: `/apis/apps/v1/deployments`. */
  readonly path: string;
  readonly labelSelector?: string;
  /** Bookmarks come each minute, so that this much silence means that the connection is dead. */
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** A list is about to be read: what is asked for from here on may have missed its page. */
  readonly onListing?: () => void;
  /** All that there is, as of `resourceVersion`. `keep`: which objects of a page to keep until then. Default: all. */
  readonly keep?: (object: JsonObject) => boolean;
  readonly onList: (objects: readonly JsonObject[], resourceVersion: string) => void;
  readonly onEvent: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: JsonObject, resourceVersion: string) => void;
  /** A watch begins, or goes on after a break in which nothing was seen. What was missed comes as events, or as a list. */
  readonly onGap?: () => void;
  /** The collection cannot be watched, and why. It is tried on. */
  readonly onRefused?: (why: Rejected) => void;
}

/** The resourceVersion that we know is too old to go on from. */
class Expired extends Error {}

/** Nothing was heard for too long: a connection that is dead, or a kind of which the server has yet to see a change. */
class Silent extends Error {}

/** One list and watch of a collection. It never gives up: what it misses, the next list shows. */
export class ListWatch {
  readonly #options: ListWatchOptions;
  readonly #ending = new AbortController();
  readonly #listed = Promise.withResolvers<void>();
  #resourceVersion: string | undefined;
  #failures = 0;
  #isRefused = false;
  #wakePause = () => {};

  constructor(options: ListWatchOptions) {
    this.#options = options;
    void this.#run();
  }

  /** Resolves with the first list, or when it is closed. */
  get ready(): Promise<void> {
    return this.#listed.promise;
  }

  /** Whether a list has been seen, and nothing since that makes it worthless. */
  get isListed(): boolean {
    return this.#resourceVersion !== undefined;
  }

  /** Aborted when it is closed. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  close(): void {
    this.#ending.abort();
    this.#listed.resolve();
    this.#wakePause();
  }

  async #run(): Promise<void> {
    const { log, path } = this.#options;
    // Whoever made this has it in hand by then.
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
        // An idle cluster is silent for ever where nothing has changed since its start, for then it sends no bookmarks.
        else if (error instanceof Silent) log.debug({ err: error, path }, 'a watch was silent; it is begun anew');
        // Once it was told, it may stay so for days: a kind that is not installed is no news each half minute.
        else if (!this.#isRefused || !(error instanceof Rejected)) {
          log.warn({ err: error, path, failures: this.#failures }, 'a watch broke; it goes on');
        }
        if (error instanceof Rejected && this.#failures >= refusalsBeforeTold) this.#refuse(error);
      }
      if (this.#failures > 1) await this.#pause();
    }
  }

  async #list(): Promise<void> {
    const { path, api, labelSelector, keep = () => true, onListing, onList } = this.#options;
    onListing?.();
    const objects: JsonObject[] = [];
    let next: string | undefined = '';
    let resourceVersion = '';
    while (next !== undefined) {
      const query = new URLSearchParams({ limit: String(pageSize), ...(labelSelector && { labelSelector }) });
      if (next !== '') query.set('continue', next);
      const answer = await api.get(`${path}?${query}`, { signal: this.#ending.signal });
      if (answer.status === 410) throw new Expired();
      if (answer.status !== 200) throw this.#refusalOf(answer);
      if (!fits(PageSchema, answer.body)) throw new Error(`the cluster sent something that is no list of ${path}`);
      for (const item of answer.body.items) if (isJsonObject(item) && keep(item)) objects.push(item);
      resourceVersion = answer.body.metadata.resourceVersion;
      next = answer.body.metadata.continue || undefined;
    }
    this.#resourceVersion = resourceVersion;
    this.#isRefused = false;
    onList(objects, resourceVersion);
    this.#listed.resolve();
  }

  /** Returns when the server ends the watch. */
  async #follow(resourceVersion: string): Promise<void> {
    const { path, api, labelSelector, clock, silenceLimitMs: limitMs, random, onGap } = this.#options;
    const timeoutSeconds = Math.round(shortestWatchSeconds * (1 + random()));
    const query = new URLSearchParams({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
      ...(labelSelector && { labelSelector }),
    });
    const silent = new AbortController();
    const signal = AbortSignal.any([this.#ending.signal, silent.signal]);
    const opened = await api.open(`${path}?${query}`, signal);
    if (isAnswer(opened)) {
      if (opened.status === 410) throw new Expired();
      throw this.#refusalOf(opened);
    }
    onGap?.();
    const onSilence = () => silent.abort(new Silent(`nothing was heard for ${limitMs} ms`));
    for await (const { type, object } of watchEvents(withSilenceLimit(opened, { clock, limitMs, onSilence }))) {
      this.#take(type, object);
      this.#failures = 0;
    }
  }

  #take(type: string, object: Json): void {
    if (!isJsonObject(object)) throw new Error('the cluster sent an event without an object');
    if (type === 'ERROR') {
      if (object.code === 410) throw new Expired();
      throw new Error(`the cluster ended the watch: ${object.code} ${object.message}`);
    }
    const resourceVersion = text(part(object, 'metadata'), 'resourceVersion');
    if (resourceVersion !== '') this.#resourceVersion = resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
      this.#options.onEvent(type, object, resourceVersion);
    }
  }

  #refuse(error: Rejected): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    // Whatever was seen before, what comes after it is news, and begins with a list.
    this.#resourceVersion = undefined;
    this.#options.onRefused?.(error);
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
