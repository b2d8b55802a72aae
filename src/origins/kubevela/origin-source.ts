import type { Origin } from '../../core/execution.ts';
import { LruMap } from '../../core/lru-map.ts';
import type { Release, SignalSource } from '../../core/signal.ts';
import type { Seen, Sight } from '../../providers/kubernetes/collection-watch.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import type { ObjectWatches } from '../../providers/kubernetes/object-watches.ts';
import { collectionPath, type ObjectPlace, objectPath, objectWords } from '../../providers/kubernetes/resource-type.ts';
import { originObject } from './origin-object.ts';
import { stepWithId, workflowStatusOf } from './workflow-status.ts';

/** The Application or WorkflowRun that an origin names. */
export type OriginName = Pick<Origin, 'kind' | 'namespace' | 'name'>;

type SharedWatches = Pick<ObjectWatches, 'subscribeIn' | 'lookIn'>;

const prefix = 'origin';
const mostRead = 10_000;

/**
 * The changes of origins as signals `origin:<kind>/<namespace>/<name>/<sessionID>`: one watch across the cluster for each
 * kind that anything waits for. An Application's status is written at every tick, so a signal is raised only by what
 * concerns its own session.
 */
export class OriginSource implements SignalSource {
  readonly prefix = prefix;
  readonly #watches: SharedWatches;
  /** The newest resourceVersion that was read, by path. Forgotten long after any watch has caught up. */
  readonly #readVersions = new LruMap<string, string>(mostRead);

  constructor(watches: SharedWatches) {
    this.#watches = watches;
  }

  subscribe(key: string, raise: () => void): Release {
    const { origin, sessionID } = parsed(key);
    let before: string | undefined;
    return this.follow(origin, () => {
      const concern = concernOf(origin.kind, sessionID, this.sight(origin));
      if (concern === before) return;
      before = concern;
      raise();
    });
  }

  /** Calls back at each change of the object, and once from a first read. */
  follow(origin: OriginName, onChange: () => void): Release {
    const { collection, key } = placeOf(origin);
    return this.#watches.subscribeIn(collection, key, onChange);
  }

  /** What the watch has seen, be it old. */
  sight(origin: OriginName): Sight | undefined {
    const { collection, key } = placeOf(origin);
    return this.#watches.lookIn(collection, key);
  }

  /** Told of each live read, also of one that comes before anybody follows: its proof is what a late event must not undo. */
  noteRead(place: ObjectPlace, object: KubernetesObject | undefined): void {
    const path = objectPath(place);
    const { resourceVersion = '' } = object?.metadata ?? {};
    if (isOlder(this.#readVersions.get(path) ?? '', resourceVersion)) this.#readVersions.set(path, resourceVersion);
  }

  /**
   * What the watch has seen, unless it lags behind a live read: a session that was read already, and that the watch does
   * not show yet, is not gone.
   */
  look(origin: OriginName): Seen | undefined {
    const sight = this.sight(origin);
    if (sight === undefined) return undefined;
    if ('refused' in sight) return isUnserved(sight) ? { object: undefined } : undefined;
    const readVersion = this.#readVersions.get(objectPath(originObject(origin))) ?? '';
    return isOlder(sight.resourceVersion ?? '', readVersion) ? undefined : sight;
  }
}

export function originSignal({ kind, namespace, name, sessionID }: Origin): string {
  return `${prefix}:${[kind, namespace, name, sessionID].map(encodeURIComponent).join('/')}`;
}

/** `Application shop/web` */
export function originWords(origin: OriginName): string {
  return objectWords(originObject(origin));
}

function parsed(key: string): { readonly origin: OriginName; readonly sessionID: string } {
  const [kind, namespace = '', name = '', sessionID = ''] = key.split('/').map(decodeURIComponent);
  return { origin: { kind: kind === 'WorkflowRun' ? kind : 'Application', namespace, name }, sessionID };
}

function placeOf(origin: OriginName) {
  const collection = collectionPath({ type: originObject(origin).type });
  return { collection, key: `${origin.namespace}/${origin.name}` };
}

/** Everything by which a proof or an end can come out differently, as a text to compare. */
function concernOf(kind: OriginName['kind'], sessionID: string, sight: Sight | undefined): string {
  if (sight === undefined) return 'unknown';
  if ('refused' in sight && !isUnserved(sight)) return 'refused';
  if ('refused' in sight || sight.object === undefined) return 'absent';
  const { metadata } = sight.object;
  const workflow = workflowStatusOf(kind, sight.object);
  const { name, type, phase, reason } = stepWithId(workflow, sessionID) ?? {};
  return JSON.stringify([
    [metadata.uid, metadata.deletionTimestamp],
    [name, type, phase, reason],
    [workflow.appRevision, workflow.isTerminated, workflow.isFinished],
    text(part(part(sight.object, 'status'), 'latestRevision'), 'name'),
  ]);
}

/** The cluster does not know the kind, so that there is no object of it. */
function isUnserved(sight: Sight): boolean {
  return 'refused' in sight && sight.refused.reason === 'NotFound';
}

/** resourceVersions are whole numbers that grow (Kubernetes enhancement 5504); the empty text is older than any. */
function isOlder(one: string, other: string): boolean {
  return one.length === other.length ? one < other : one.length < other.length;
}
