import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';
import type { ApiAnswer, ApiWrite, ClusterApi } from '../../../src/providers/kubernetes/cluster-api.ts';
import type { Sight } from '../../../src/providers/kubernetes/collection-watch.ts';
import type { KubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { type ObjectPlace, objectPath } from '../../../src/providers/kubernetes/resource-type.ts';

/** What an answer is, in place of what would have been done. */
export type Refusal = { readonly status: number } | Error;

/**
 * An API server and a watch on it, in memory, that say and show what the test wants: what `set` changes is read at once, and
 * is seen by who watches only when it is shown. Patches are shown as they are answered.
 */
export class FakeCluster {
  readonly writes: ApiWrite[] = [];
  readonly reads: string[] = [];
  /** Of the next writes, in turn. */
  readonly refusals: Refusal[] = [];
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #shown = new Map<string, Sight>();
  readonly #raises = new Map<string, Set<() => void>>();
  #version = 100;

  readonly api: Pick<ClusterApi, 'write' | 'refusal'>;

  constructor(refusal: ClusterApi['refusal']) {
    this.api = { refusal, write: async (request) => this.#write(request) };
  }

  /** How many are subscribed to. */
  get watched(): number {
    return this.#raises.size;
  }

  set(place: ObjectPlace, object: JsonObject | undefined): void {
    const path = objectPath(place);
    if (object === undefined) {
      this.#objects.delete(path);
      return;
    }
    this.#version += 1;
    const metadata = { ...(isJsonObject(object.metadata) ? object.metadata : {}), name: place.name };
    const own = { namespace: place.namespace, resourceVersion: String(this.#version) };
    this.#objects.set(path, { ...object, metadata: { uid: 'uid-1', ...metadata, ...own } });
  }

  get(place: ObjectPlace): KubernetesObject | undefined {
    return this.#objects.get(objectPath(place));
  }

  /** The watch sees it as it is now, or that. */
  show(place: ObjectPlace, sight: Sight = { object: this.get(place), resourceVersion: String(this.#version) }): void {
    this.#see(keyOf(place), sight);
  }

  #see(key: string, sight: Sight): void {
    this.#shown.set(key, sight);
    for (const raise of [...(this.#raises.get(key) ?? [])]) raise();
  }

  async read(place: ObjectPlace): Promise<KubernetesObject | undefined> {
    this.reads.push(keyOf(place));
    return this.get(place);
  }

  subscribeIn(collection: string, key: string, raise: () => void): () => void {
    const text = `${collection}:${key}`;
    const raises = this.#raises.get(text) ?? new Set();
    this.#raises.set(text, raises.add(raise));
    if (this.#shown.has(text)) raise();
    return () => {
      raises.delete(raise);
      if (raises.size === 0) this.#raises.delete(text);
    };
  }

  lookIn(collection: string, key: string): Sight | undefined {
    return this.#shown.get(`${collection}:${key}`);
  }

  #write(request: ApiWrite): ApiAnswer {
    this.writes.push(request);
    const refusal = this.refusals.shift();
    if (refusal instanceof Error) throw refusal;
    if (refusal !== undefined) return answer(refusal.status);
    if (request.method !== 'PATCH') return answer(201);
    const path = request.path.replace(/\/status$/, '');
    const object = this.#objects.get(path);
    if (object === undefined) return answer(404);
    const patched = structuredClone(object);
    if (!patch(patched, request.body as JsonObject[])) return answer(422);
    this.#version += 1;
    const metadata = { ...patched.metadata, resourceVersion: String(this.#version) };
    this.#objects.set(path, { ...patched, metadata });
    const [, , group, version, , namespace, plural, name] = path.split('/');
    this.#see(`/apis/${group}/${version}/${plural}:${namespace}/${name}`, {
      object: this.#objects.get(path),
      resourceVersion: String(this.#version),
    });
    return answer(200);
  }
}

function keyOf({ type, namespace, name }: ObjectPlace): string {
  return `/apis/${type.group}/${type.version}/${type.plural}:${namespace}/${name}`;
}

function answer(status: number): ApiAnswer {
  return { status, body: { message: `answered ${status}` }, text: '', retryAfterSeconds: undefined };
}

/** The operations that are used; false where a test fails. */
function patch(object: JsonObject, operations: readonly JsonObject[]): boolean {
  return operations.every(({ op, path, value = null }) => {
    const keys = String(path).split('/').slice(1);
    const last = keys.pop() ?? '';
    const parent = keys.reduce<Json | undefined>(memberOf, object);
    // What is absent equals null, as for the API server.
    if (op === 'test') return JSON.stringify(memberOf(parent, last) ?? null) === JSON.stringify(value);
    if (last === '-') (parent as Json[]).push(value);
    else (parent as Record<string, Json>)[last] = value;
    return true;
  });
}

function memberOf(value: Json | undefined, key: string): Json | undefined {
  return typeof value === 'object' && value !== null ? (value as JsonObject)[key] : undefined;
}
