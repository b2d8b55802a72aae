import type { Logger } from 'pino';
import { Rejected } from '../../core/effect.ts';
import { isJsonObject } from '../../core/json.ts';
import { LruMap } from '../../core/lru-map.ts';
import type { Release } from '../../core/signal.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { type ApiAnswer, type ClusterApi, type Purpose, wordsIn } from './cluster-api.ts';
import { refusalFrom } from './cluster-gateway.ts';
import type { Sight } from './collection-watch.ts';
import { Discovery, type FoundKind, type KindName } from './discovery.ts';
import { type KubernetesObject, toKubernetesObject } from './kubernetes-object.ts';
import { ObjectWatches } from './object-watches.ts';
import { isSecret, type ObjectPlace, objectPath, resourceName } from './resource-type.ts';

/** Any name may be asked for; what there is to know of a cluster is kept while no more are in use. */
const mostClusters = 1_000;

export interface KubernetesClientOptions {
  readonly access: ClusterAccess;
  readonly api: ClusterApi;
  /** What signals of this client begin with: `kubernetes:cluster`. */
  readonly signalPrefix: string;
  readonly silenceLimitMs: number;
  /** Whether reads for an Application that names a service account are made as it. */
  readonly impersonates: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

/** What steps see of a cluster. One per connection and process, so that all executions share its watches. */
export class KubernetesClient {
  readonly api: ClusterApi;
  /** Of the connection's own cluster. */
  readonly discovery: Discovery;
  readonly watches: ObjectWatches;
  readonly impersonates: boolean;
  /** Of its watches, and of others on the same cluster. */
  readonly silenceLimitMs: number;
  readonly #options: KubernetesClientOptions;
  /** Of the clusters that KubeVela manages. */
  readonly #discoveries = new LruMap<string, Discovery>(mostClusters);

  constructor(options: KubernetesClientOptions) {
    const { api, clock, log, silenceLimitMs, random = Math.random } = options;
    this.#options = options;
    this.api = api;
    this.impersonates = options.impersonates;
    this.silenceLimitMs = silenceLimitMs;
    this.discovery = new Discovery(api, clock);
    this.watches = new ObjectWatches({ api, clock, log, silenceLimitMs, random });
  }

  /** See Discovery. `cluster`: one that KubeVela manages; absent: the connection's own. */
  async find(name: KindName, since: EpochMs, cluster?: string): Promise<FoundKind> {
    return await this.#discoveryOf(cluster).find(name, since);
  }

  /**
   * The newest state, asked from the cluster, as the user `account` where it is given. Undefined: it is not there. Throws
   * Rejected where that is not for us to know.
   */
  async read(place: ObjectPlace, signal: AbortSignal, account?: string): Promise<KubernetesObject | undefined> {
    const { api } = this;
    const answer = await api.get(objectPath(place), { signal, account });
    if (answer.status === 404) {
      if (namesObject(answer)) return undefined;
      this.#discoveryOf(place.cluster).forget();
      if (place.cluster === undefined) return undefined;
      // It may be the kind that is gone, or the way to the cluster; discovery tells when this is asked again.
      throw new Error(`cluster ${place.cluster} does not answer for ${resourceName(place.type)}`);
    }
    if (answer.status !== 200) throw refusalFrom(place.cluster, api, answer, purposeOf(place, account, answer));
    const object = toKubernetesObject(answer.body);
    if (object === undefined) throw new Error(`the cluster sent something that is no ${place.type.kind}`);
    return object;
  }

  /** What the watch knows of an object that is waited for. Undefined: nothing yet. */
  look(place: ObjectPlace): Sight | undefined {
    const sight = this.watches.look(objectPath(place));
    // Who waits must be told which right is missing in his own words.
    if (sight === undefined || 'object' in sight || sight.refused.reason === 'NotFound') return sight;
    const { act, grant } = ownPurpose(place, 'watch');
    return {
      refused: new Rejected(
        sight.refused.reason,
        `cannot ${act}, for which it takes ${grant}: ${sight.refused.message}`,
      ),
    };
  }

  /** Raised whenever the object may have changed. */
  signalOf(place: ObjectPlace): string {
    return this.#options.signalPrefix + objectPath(place);
  }

  subscribe(path: string, raise: () => void): Release {
    return this.watches.subscribe(path, raise);
  }

  async close(): Promise<void> {
    this.watches.close();
    await this.#options.access.close();
  }

  #discoveryOf(cluster: string | undefined): Discovery {
    if (cluster === undefined) return this.discovery;
    const { api, clock } = this.#options;
    const discovery = this.#discoveries.get(cluster) ?? new Discovery(api, clock, cluster);
    this.#discoveries.set(cluster, discovery);
    return discovery;
  }
}

/** Of a read that was refused. */
function purposeOf(place: ObjectPlace, account: string | undefined, refused: ApiAnswer): Purpose {
  if (account === undefined) return ownPurpose(place, 'get');
  if (wordsIn(refused).includes('cannot impersonate')) {
    return { act: `act as ${account}`, grant: 'impersonate on serviceaccounts (impersonate of the addon does)' };
  }
  const { act, resource } = actOn(place, 'get');
  return { act, grant: `get on ${resource}`, account };
}

function ownPurpose(place: ObjectPlace, verb: string): Purpose {
  const { act, resource } = actOn(place, verb);
  const grant = `get, list and watch on ${resource}`;
  if (place.cluster !== undefined) return { act, grant, account: `KubeVela's account in cluster ${place.cluster}` };
  // Whom a label lets read one Secret, it lets read all.
  const hint = isSecret(place.type)
    ? ''
    : ' (for the addon: by a ClusterRole labelled aftersync.dev/aggregate-to-reader: "true")';
  return { act, grant: grant + hint };
}

function actOn(
  { type, name, namespace }: ObjectPlace,
  verb: string,
): { readonly act: string; readonly resource: string } {
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
  const resource = resourceName(type);
  return { act: `${verb} ${resource} ${name}${where}`, resource: resource + where };
}

/** The cluster knows the resource, but not the object; it answers plain text where it does not know the path. */
function namesObject({ body }: ApiAnswer): boolean {
  return isJsonObject(body) && isJsonObject(body.details) && typeof body.details.name === 'string';
}
