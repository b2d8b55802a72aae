import { NotSent } from '../../../src/core/effect.ts';
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts';
import type { ClusterAccess } from '../../../src/providers/kubernetes/cluster-access.ts';
import {
  type ApiAnswer,
  type ApiWrite,
  ClusterApi,
  type GetOptions,
} from '../../../src/providers/kubernetes/cluster-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** What becomes of one call: done and answered, not done, done without an answer, or neither until it is let go. */
type Fate = 'answered' | 'unreachable' | 'answer lost' | 'hanging';

interface Watcher {
  readonly send: (line: string) => void;
  readonly end: () => void;
}

/** The Leases of one namespace as an API server keeps them, for any number of clients, each with faults of its own. */
export class LeaseServer {
  readonly #leases = new Map<string, JsonObject>();
  readonly #watchers = new Set<Watcher>();
  #resourceVersion = 100;

  client(): LeaseClient {
    return new LeaseClient(this);
  }

  get names(): string[] {
    return [...this.#leases.keys()];
  }

  /** As another one's write would. */
  put(lease: JsonObject): JsonObject {
    this.#resourceVersion += 1;
    const metadata: JsonObject = { ...(lease.metadata as JsonObject), resourceVersion: String(this.#resourceVersion) };
    const isNew = !this.#leases.has(String(metadata.name));
    const stored = { ...lease, metadata };
    this.#leases.set(String(metadata.name), stored);
    this.#tell(isNew ? 'ADDED' : 'MODIFIED', stored);
    return stored;
  }

  remove(name: string): void {
    const lease = this.#leases.get(name);
    if (lease === undefined) throw new Error(`there is no lease ${name}`);
    this.#resourceVersion += 1;
    this.#leases.delete(name);
    const metadata = { ...(lease.metadata as JsonObject), resourceVersion: String(this.#resourceVersion) };
    this.#tell('DELETED', { ...lease, metadata });
  }

  breakWatches(): void {
    for (const { end } of [...this.#watchers]) end();
  }

  read(path: string): ApiAnswer {
    const { pathname } = new URL(path, 'http://cluster');
    const [, namespace, name] = /namespaces\/([^/]+)\/leases(?:\/([^/]+))?$/.exec(pathname) ?? [];
    if (name === undefined) {
      return answer(200, {
        metadata: { resourceVersion: String(this.#resourceVersion) },
        items: [...this.#leases.values()],
      });
    }
    const lease = this.#leases.get(name);
    const isThere = lease !== undefined && (lease.metadata as JsonObject).namespace === namespace;
    return isThere ? answer(200, lease) : answer(404, { message: 'not found' });
  }

  write({ method, path, body }: ApiWrite): ApiAnswer {
    const sent = body as JsonObject;
    const name = method === 'POST' ? String((sent.metadata as JsonObject).name) : (path.split('/').at(-1) ?? '');
    const present = this.#leases.get(name)?.metadata as JsonObject | undefined;
    if (method === 'POST') {
      const metadata = {
        ...(sent.metadata as JsonObject),
        namespace: path.split('/').at(-2) ?? '',
        uid: `uid-${name}`,
      };
      return present === undefined ? answer(201, this.put({ ...sent, metadata })) : answer(409, {});
    }
    if (present === undefined) return answer(404, { message: 'not found' });
    const wanted = (method === 'PUT' ? sent.metadata : sent.preconditions) as JsonObject;
    const isStale = wanted.resourceVersion !== undefined && wanted.resourceVersion !== present.resourceVersion;
    if (isStale || (wanted.uid !== undefined && wanted.uid !== present.uid))
      return answer(409, { message: 'conflict' });
    if (method === 'PUT') return answer(200, this.put(sent));
    this.remove(name);
    return answer(200, {});
  }

  async *watch(signal: AbortSignal): AsyncGenerator<Buffer> {
    const lines: string[] = [];
    let wake = () => {};
    let isOver = false;
    const watcher = {
      send: (line: string) => {
        lines.push(line);
        wake();
      },
      end: () => {
        isOver = true;
        wake();
      },
    };
    this.#watchers.add(watcher);
    signal.addEventListener('abort', watcher.end);
    while (!isOver) {
      for (const line of lines.splice(0)) yield Buffer.from(line);
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (!isOver && lines.length === 0) await promise;
    }
    this.#watchers.delete(watcher);
  }

  #tell(type: string, object: JsonObject): void {
    for (const { send } of this.#watchers) send(`${JSON.stringify({ type, object })}\n`);
  }
}

/** One process's way to it. */
export class LeaseClient extends ClusterApi {
  readonly #server: LeaseServer;
  readonly #hanging = new Set<() => void>();
  /** `PUT /apis/…/leases/a`, of each call so far but watches. */
  readonly calls: string[] = [];
  /** What becomes of the calls from here on. */
  fate: (method: string, path: string) => Fate = () => 'answered';

  constructor(server: LeaseServer) {
    super({ access: {} as ClusterAccess, requestTimeoutMs: 10_000, clock: new ManualClock() });
    this.#server = server;
  }

  letGo(): void {
    for (const resume of this.#hanging) resume();
    this.#hanging.clear();
  }

  override async get(path: string, { signal }: GetOptions = {}): Promise<ApiAnswer> {
    return await this.#call('GET', path, signal, () => this.#server.read(path));
  }

  override async write(write: ApiWrite): Promise<ApiAnswer> {
    return await this.#call(write.method, write.path, write.signal, () => this.#server.write(write));
  }

  override async open(path: string, signal: AbortSignal): Promise<AsyncIterable<Buffer> | ApiAnswer> {
    if (this.fate('WATCH', path) !== 'answered') throw new NotSent('the cluster cannot be reached');
    return this.#server.watch(signal);
  }

  async #call(
    method: string,
    path: string,
    signal: AbortSignal | undefined,
    work: () => ApiAnswer,
  ): Promise<ApiAnswer> {
    this.calls.push(`${method} ${path}`);
    const fate = this.fate(method, path);
    if (fate === 'hanging') await this.#hang(signal);
    if (fate === 'unreachable') throw new NotSent('the cluster cannot be reached');
    const answered = work();
    if (fate === 'answer lost') throw new NotSent('no answer');
    return answered;
  }

  #hang(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#hanging.add(resolve);
    signal?.addEventListener('abort', () => {
      this.#hanging.delete(resolve);
      reject(new NotSent('no answer in time'));
    });
    return promise;
  }
}

function answer(status: number, body: JsonObject): ApiAnswer {
  return { status, body: isJsonObject(body) ? structuredClone(body) : body, text: '', retryAfterSeconds: undefined };
}

/** Lets pass what is due now, without moving any clock. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
