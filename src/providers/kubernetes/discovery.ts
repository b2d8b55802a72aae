import { Rejected } from '../../core/effect.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import type { ClusterApi } from './cluster-api.ts';
import { refusalFrom, rootOf } from './cluster-gateway.ts';
import { aggregatedAccept, fromAggregated, type ServedVersion, typesIn, versionsIn } from './discovery-documents.ts';
import { apiVersionOf, type ResourceType } from './resource-type.ts';

/** What is missing is looked for again at most this often. */
const shortestAgeMs = 5_000;
/** A kind that was unique may be so no longer. */
const longestAgeMs = 600_000;

export interface KindName {
  readonly apiVersion?: string;
  /** Where no other is named, this one counts, if it has the kind. */
  readonly firstApiVersion?: string;
  readonly kind: string;
}

export type FoundKind =
  | { readonly type: ResourceType }
  /** It was not there at `asOf`; it is looked for again from `againAt` on. */
  | { readonly missing: string; readonly asOf: EpochMs; readonly againAt: EpochMs };

/** Which kinds a cluster serves, kept, and asked for anew when one is missing. */
export class Discovery {
  readonly #api: ClusterApi;
  readonly #clock: Clock;
  readonly #cluster: string | undefined;
  #served: { readonly versions: readonly ServedVersion[]; readonly asOf: EpochMs } | undefined;
  #asking: Promise<void> | undefined;

  /** `cluster`: one that KubeVela manages; absent: the connection's own. */
  constructor(api: ClusterApi, clock: Clock, cluster?: string) {
    this.#api = api;
    this.#clock = clock;
    this.#cluster = cluster;
  }

  /** `since`: a kind counts as missing only by what the cluster said after this. Throws Rejected where the name is ambiguous. */
  async find(name: KindName, since: EpochMs): Promise<FoundKind> {
    if (this.#age() > longestAgeMs) await this.#ask();
    let type = this.#typeOf(name);
    if (type === undefined && this.#isOldFor(since)) {
      await this.#ask();
      type = this.#typeOf(name);
    }
    if (type !== undefined) return { type };
    const asOf = this.#served?.asOf ?? 0;
    return { missing: this.#missing(name), asOf, againAt: asOf + shortestAgeMs };
  }

  /** A path that was made of what is kept does not exist: it is out of date. */
  forget(): void {
    if (this.#age() >= shortestAgeMs) this.#served = undefined;
  }

  #age(): number {
    return this.#clock.now() - (this.#served?.asOf ?? Number.NEGATIVE_INFINITY);
  }

  #isOldFor(since: EpochMs): boolean {
    return (this.#served?.asOf ?? 0) < since || this.#age() >= shortestAgeMs;
  }

  #typeOf({ apiVersion, firstApiVersion, kind }: KindName): ResourceType | undefined {
    const named = this.#candidates(kind);
    const wanted = named.find((type) => apiVersionOf(type) === (apiVersion ?? firstApiVersion));
    if (wanted !== undefined || apiVersion !== undefined) return wanted;
    // The first version of a group is the one that it prefers.
    const groups = new Map<string, ResourceType>();
    for (const type of named) if (!groups.has(type.group)) groups.set(type.group, type);
    if (groups.size > 1) {
      const candidates = [...groups.values()].map(apiVersionOf).join(', ');
      throw new Rejected('Rejected', `kind ${kind} is served by several APIs: set apiVersion to one of ${candidates}`);
    }
    return [...groups.values()][0];
  }

  #missing({ apiVersion, kind }: KindName): string {
    const cluster = this.#cluster === undefined ? 'the cluster' : `cluster ${this.#cluster}`;
    const served = this.#candidates(kind).map(apiVersionOf);
    if (served.length > 0) return `${cluster} serves ${kind} as ${served.join(', ')}, not as ${apiVersion}`;
    const like = this.#types().find((type) => [type.kind, type.plural].some((word) => isLike(word, kind)));
    const hint = like === undefined ? ': is its CRD installed?' : `; did you mean ${like.kind}?`;
    const where = apiVersion === undefined ? '' : ` in ${apiVersion}`;
    return `${cluster} knows no kind ${kind}${where}${hint}`;
  }

  #candidates(kind: string): ResourceType[] {
    return this.#types().filter((type) => type.kind === kind);
  }

  #types(): ResourceType[] {
    return this.#served?.versions.flatMap(({ types }) => types) ?? [];
  }

  /** However many ask, the cluster is asked once. */
  async #ask(): Promise<void> {
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  async #read(): Promise<void> {
    const asOf = this.#clock.now();
    const versions = await Promise.all([this.#readRoot('/api'), this.#readRoot('/apis')]);
    this.#served = { versions: versions.flat(), asOf };
  }

  async #readRoot(path: '/api' | '/apis'): Promise<ServedVersion[]> {
    const body = await this.#get(path, aggregatedAccept);
    const aggregated = fromAggregated(body);
    if (aggregated !== undefined) return aggregated;
    return await Promise.all(
      versionsIn(body).map(async (version) => {
        const documents = await this.#get(`${path}/${apiVersionOf(version)}`);
        return { ...version, types: typesIn(documents, version) };
      }),
    );
  }

  async #get(path: string, accept = 'application/json'): Promise<unknown> {
    const answer = await this.#api.get(rootOf(this.#cluster) + path, { accept });
    if (answer.status === 200) return answer.body;
    // An aggregated server that is down takes its own group with it, and no other.
    if (answer.status === 503 && path.startsWith('/apis/')) return undefined;
    const purpose = { act: `read ${path}`, grant: 'the ClusterRole system:discovery' };
    throw refusalFrom(this.#cluster, this.#api, answer, purpose);
  }
}

/** The same but for case and the s of a plural. */
function isLike(word: string, other: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/e?s$/, '');
  return plain(word) === plain(other);
}
