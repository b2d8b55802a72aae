import type { Logger } from 'pino';
import { Rejected } from '../../core/effect.ts';
import { isJsonObject } from '../../core/json.ts';
import type { Release } from '../../core/signal.ts';
import type { Clock } from '../../core/time.ts';
import type { ClusterAccess } from './cluster-access.ts';
import type { ApiAnswer, ClusterApi } from './cluster-api.ts';
import type { Sight } from './collection-watch.ts';
import { Discovery } from './discovery.ts';
import { type KubernetesObject, toKubernetesObject } from './kubernetes-object.ts';
import { ObjectWatches } from './object-watches.ts';
import { type ObjectPlace, objectPath, resourceName } from './resource-type.ts';

export interface KubernetesClientOptions {
  readonly access: ClusterAccess;
  readonly api: ClusterApi;
  /** What signals of this client begin with: `kubernetes:cluster`. */
  readonly signalPrefix: string;
  readonly silenceLimitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

/** What steps see of a cluster. One per connection and process, so that all executions share its watches. */
export class KubernetesClient {
  readonly api: ClusterApi;
  readonly discovery: Discovery;
  readonly watches: ObjectWatches;
  readonly #options: KubernetesClientOptions;

  constructor(options: KubernetesClientOptions) {
    const { api, clock, log, silenceLimitMs, random = Math.random } = options;
    this.#options = options;
    this.api = api;
    this.discovery = new Discovery(api, clock);
    this.watches = new ObjectWatches({ api, clock, log, silenceLimitMs, random });
  }

  /** The newest state, asked from the cluster. Undefined: it is not there. Throws Rejected where that is not for us to know. */
  async read(place: ObjectPlace, signal: AbortSignal): Promise<KubernetesObject | undefined> {
    const { api } = this;
    const answer = await api.get(objectPath(place), { signal });
    if (answer.status === 404) {
      if (!namesObject(answer)) this.discovery.forget();
      return undefined;
    }
    if (answer.status !== 200) throw api.refusal(answer, purposeOf(place));
    const object = toKubernetesObject(answer.body);
    if (object === undefined) throw new Error(`the cluster sent something that is no ${place.type.kind}`);
    return object;
  }

  /** What the watch knows of an object that is waited for. Undefined: nothing yet. */
  look(place: ObjectPlace): Sight | undefined {
    const sight = this.watches.look(objectPath(place));
    // Who waits must be told which right is missing in his own words.
    if (sight === undefined || 'object' in sight || sight.refused.reason === 'NotFound') return sight;
    const { act, grant } = purposeOf(place, 'watch');
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
}

function purposeOf(place: ObjectPlace, verb = 'get') {
  const resource = resourceName(place.type);
  const where = place.namespace === undefined ? '' : ` in namespace ${place.namespace}`;
  return { act: `${verb} ${resource} ${place.name}${where}`, grant: `get, list and watch on ${resource}${where}` };
}

/** The cluster knows the resource, but not the object; it answers plain text where it does not know the path. */
function namesObject({ body }: ApiAnswer): boolean {
  return isJsonObject(body) && isJsonObject(body.details) && typeof body.details.name === 'string';
}
