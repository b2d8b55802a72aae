import { setTimeout as delay } from 'node:timers/promises';
import { Agent, fetch } from 'undici';
import type { Kubernetes } from '../kubernetes/start-kubernetes.ts';
import type { KubernetesObject, Metadata } from './objects.ts';

const watchAgainMs = 100;
const servedWithinMs = 120_000;
/** Long enough for a busy machine; who waits that long has found a mistake. */
const waitLimitMs = 120_000;

/** What names a kind. */
export interface ObjectType {
  readonly apiVersion: string;
  readonly kind: string;
}

/** What names an object; the namespace is absent where the kind has none. */
export interface ObjectName extends ObjectType {
  readonly name: string;
  readonly namespace?: string;
}

/** The API server does not do what it was asked. `status` is that of its answer. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A change of an object that is watched; `old` as it was seen before, absent for one that is new. */
export interface Change<T> {
  readonly old?: T;
  readonly object: T;
  readonly isDeletion: boolean;
}

/** The objects of a real API server, by kind instead of by path. */
export class Cluster {
  readonly #kubernetes: Kubernetes;
  readonly #paths = new Map<string, Promise<(name: Pick<ObjectName, 'name' | 'namespace'>) => string>>();

  constructor(kubernetes: Kubernetes) {
    this.#kubernetes = kubernetes;
  }

  async get<T>(name: ObjectName): Promise<T | undefined> {
    const path = await this.#pathOf(name);
    try {
      return await this.#ask<T>('GET', path);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async list<T>(type: ObjectType, { namespace, labels }: { readonly namespace: string; readonly labels: string }) {
    const path = await this.#pathOf({ ...type, name: '', namespace });
    const { items } = await this.#ask<{ items: readonly T[] }>(
      'GET',
      `${path}?labelSelector=${encodeURIComponent(labels)}`,
    );
    return items;
  }

  async create<T extends KubernetesObject>(object: KubernetesObjectToCreate): Promise<T> {
    const { namespace } = object.metadata;
    const path = await this.#pathOf({ ...object, name: '', ...(namespace !== undefined && { namespace }) });
    return this.#ask<T>('POST', path, object);
  }

  /** Creates or changes it by server-side apply, as KubeVela does with what components consist of. */
  async apply(object: KubernetesObject): Promise<void> {
    const path = `${await this.#pathOf(nameOf(object))}?fieldManager=kubevela&force=true`;
    await this.#ask('PATCH', path, object, 'application/apply-patch+yaml');
  }

  /** Creates it, or takes the place of the one of its name. */
  async put(object: KubernetesObject): Promise<void> {
    const standing = await this.get<KubernetesObject>(nameOf(object));
    if (standing === undefined) await this.create(object);
    else {
      const { resourceVersion = '' } = standing.metadata;
      await this.replace({ ...object, metadata: { ...object.metadata, resourceVersion } });
    }
  }

  /** With the resourceVersion that was read: an ApiError with 409 where it is no longer the newest. */
  async replace<T extends KubernetesObject>(object: T): Promise<T> {
    return this.#ask<T>('PUT', await this.#pathOf(nameOf(object)), object);
  }

  /** The same for the status alone. */
  async replaceStatus<T extends KubernetesObject>(object: T): Promise<T> {
    return this.#ask<T>('PUT', `${await this.#pathOf(nameOf(object))}/status`, object);
  }

  async mergePatch<T extends KubernetesObject>(name: ObjectName, patch: object): Promise<T> {
    return this.#ask<T>('PATCH', await this.#pathOf(name), patch, 'application/merge-patch+json');
  }

  async mergePatchStatus(name: ObjectName, patch: object): Promise<void> {
    await this.#ask('PATCH', `${await this.#pathOf(name)}/status`, patch, 'application/merge-patch+json');
  }

  async jsonPatchStatus(name: ObjectName, patch: readonly object[]): Promise<void> {
    await this.#ask('PATCH', `${await this.#pathOf(name)}/status`, patch, 'application/json-patch+json');
  }

  /** Does nothing where it is gone. */
  async delete(name: ObjectName): Promise<void> {
    const path = await this.#pathOf(name);
    try {
      await this.#ask('DELETE', path);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }

  /** Resolves once the API server serves a kind whose CustomResourceDefinition is new. */
  async untilServed(type: ObjectType): Promise<void> {
    const until = performance.now() + servedWithinMs;
    while (!(await this.#isServed(type))) {
      if (performance.now() > until) throw new Error(`${type.kind} is not served after ${servedWithinMs} ms`);
    }
  }

  /**
   * Calls back with every object that is there and with each change from then on, over broken connections and restarts of the
   * API server, until aborted. Resolves once the first list has been told of.
   */
  async watch<T extends KubernetesObject>(type: ObjectType, tell: (change: Change<T>) => void, signal: AbortSignal) {
    const seen = new Map<string, T>();
    const see = (object: T) => {
      const old = seen.get(keyOf(object));
      seen.set(keyOf(object), object);
      if (old?.metadata.resourceVersion === object.metadata.resourceVersion) return;
      tell({ object, isDeletion: false, ...(old !== undefined && { old }) });
    };
    const list = async (): Promise<string> => {
      const path = await this.#pathOf({ ...type, name: '' });
      const { items, metadata } = await this.#ask<{ items: readonly T[]; metadata: Metadata }>('GET', path);
      const present = new Set(items.map(keyOf));
      for (const [key, object] of seen) {
        if (present.has(key)) continue;
        seen.delete(key);
        tell({ object, isDeletion: true });
      }
      for (const item of items) see({ ...item, ...type });
      return metadata.resourceVersion ?? '';
    };
    const follow = async (resourceVersion: string): Promise<void> => {
      const path = await this.#pathOf({ ...type, name: '' });
      for await (const event of this.#events<T>(`${path}?watch=true&resourceVersion=${resourceVersion}`, signal)) {
        if (event.type === 'ERROR') return;
        if (event.type !== 'DELETED') see(event.object);
        else {
          seen.delete(keyOf(event.object));
          tell({ object: event.object, isDeletion: true });
        }
      }
    };
    const first = await list();
    const followOn = async () => {
      for (let resourceVersion: string | undefined = first; !signal.aborted; resourceVersion = undefined) {
        try {
          await follow(resourceVersion ?? (await list()));
        } catch {
          // The API server is away; whoever waits for a change finds out by itself when that takes too long.
          await delay(watchAgainMs, undefined, { signal }).catch(() => {});
        }
      }
    };
    void followOn();
  }

  /** The object as soon as it is so. Throws with its last state where it is not in time. */
  async waitFor<T extends KubernetesObject>(name: ObjectName, isSo: (object: T) => boolean): Promise<T> {
    const found = Promise.withResolvers<T>();
    const stop = new AbortController();
    let last: T | undefined;
    const late = setTimeout(() => {
      found.reject(new Error(`still not so after ${waitLimitMs} ms; the last state: ${JSON.stringify(last)}`));
    }, waitLimitMs);
    const see = ({ object }: Change<T>) => {
      if (object.metadata.name !== name.name || object.metadata.namespace !== name.namespace) return;
      last = object;
      try {
        if (isSo(object)) found.resolve(object);
      } catch (error) {
        found.reject(error);
      }
    };
    try {
      await this.watch<T>({ apiVersion: name.apiVersion, kind: name.kind }, see, stop.signal);
      return await found.promise;
    } finally {
      clearTimeout(late);
      stop.abort();
    }
  }

  async *#events<T>(path: string, signal: AbortSignal): AsyncGenerator<{ readonly type: string; readonly object: T }> {
    const { url, ca, adminToken } = this.#kubernetes;
    const dispatcher = new Agent({ connect: { ca }, bodyTimeout: 0 });
    try {
      const headers = { authorization: `Bearer ${adminToken}` };
      const response = await fetch(new URL(path, url), { dispatcher, headers, signal });
      if (response.status !== 200 || response.body === null) return;
      let received = '';
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (received + piece).split('\n');
        received = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line);
      }
    } finally {
      await dispatcher.destroy();
    }
  }

  /** Discovery knows a kind a moment before it is served. */
  async #isServed(type: ObjectType): Promise<boolean> {
    try {
      await this.#ask('GET', `${await this.#pathOf({ ...type, name: '' })}?limit=1`);
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  async #pathOf({ apiVersion, kind, ...name }: ObjectName): Promise<string> {
    const key = `${apiVersion} ${kind}`;
    let path = this.#paths.get(key);
    if (path === undefined) {
      path = this.#discover({ apiVersion, kind });
      this.#paths.set(key, path);
      // It may be installed later.
      path.catch(() => this.#paths.delete(key));
    }
    return (await path)(name);
  }

  async #discover({ apiVersion, kind }: ObjectType) {
    const { resources } = await this.#ask<ResourceList>('GET', groupPath(apiVersion)).catch((error: Error) => {
      // A group that is not there is answered with words instead of JSON.
      if (error instanceof SyntaxError) return { resources: [] };
      throw error;
    });
    const found = resources.find((resource) => resource.kind === kind && !resource.name.includes('/'));
    if (found === undefined) throw new ApiError(404, `the cluster does not know ${apiVersion} ${kind}`);
    return ({ name, namespace }: Pick<ObjectName, 'name' | 'namespace'>) => {
      const place = found.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
      return `${groupPath(apiVersion)}${place}/${found.name}${name && `/${name}`}`;
    };
  }

  async #ask<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    content?: object,
    contentType?: string,
  ): Promise<T> {
    const { status, body } = await this.#kubernetes.request({
      method,
      path,
      ...(content !== undefined && { body: content }),
      ...(contentType !== undefined && { contentType }),
    });
    if (status >= 300)
      throw new ApiError(status, (body as { message?: string }).message ?? `${method} ${path}: ${status}`);
    return body as T;
  }
}

/** The API server may choose the name. */
export interface KubernetesObjectToCreate extends ObjectType {
  readonly metadata: Omit<Metadata, 'name'> & { readonly name?: string; readonly generateName?: string };
}

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export function nameOf({ apiVersion, kind, metadata: { name, namespace } }: KubernetesObject): ObjectName {
  return { apiVersion, kind, name, ...(namespace !== undefined && { namespace }) };
}

function keyOf({ metadata: { namespace, name } }: KubernetesObject): string {
  return `${namespace}/${name}`;
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
