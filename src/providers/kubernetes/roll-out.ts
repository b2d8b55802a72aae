import {
  type Condition,
  conditionOf,
  count,
  isOutdated,
  type KubernetesObject,
  part,
  text,
  wordsOf,
} from './kubernetes-object.ts';

/** How far an object is: done, on its way, or failed for good by its own controller's word. */
export type RollOut =
  | { readonly state: 'done' }
  | { readonly state: 'progressing'; readonly detail: string }
  | { readonly state: 'failed'; readonly detail: string };

export interface RollOutOf {
  readonly object: KubernetesObject;
  /** The group of its API; empty for core. */
  readonly group: string;
  readonly kind: string;
  /** Whether the API gives the kind a status of its own, so that a controller will write one. */
  readonly hasStatus: boolean;
}

type Rule = (object: KubernetesObject) => RollOut;

const done: RollOut = { state: 'done' };
const progressing = (detail: string): RollOut => ({ state: 'progressing', detail });
const failed = (detail: string): RollOut => ({ state: 'failed', detail });

/** Kinds with rules of their own, by `kind.group`. All others follow `byConditions`. */
const rules: Readonly<Record<string, Rule>> = {
  'DaemonSet.apps': daemonSet,
  'Deployment.apps': deployment,
  'Job.batch': job,
  'PersistentVolumeClaim.': persistentVolumeClaim,
  'Pod.': pod,
  'ReplicaSet.apps': replicaSet,
  'StatefulSet.apps': statefulSet,
};

/**
 * Whether the object's spec has taken effect, judged by what its controller wrote. The rules of the workloads are those of
 * `kubectl rollout status` (kubectl: pkg/polymorphichelpers/rollout_status.go), the others those of kstatus
 * (cli-utils: pkg/kstatus/status).
 */
export function rollOutOf({ object, group, kind, hasStatus }: RollOutOf): RollOut {
  if (object.metadata.deletionTimestamp !== undefined) return progressing('it is being deleted');
  if (hasStatus && object.status === undefined) return progressing('its controller has not written a status yet');
  const observed = part(object, 'status').observedGeneration;
  if (typeof observed === 'number' && observed < (object.metadata.generation ?? 0)) {
    return progressing('its controller has not seen the newest spec yet');
  }
  return (rules[`${kind}.${group}`] ?? byConditions)(object);
}

function deployment(object: KubernetesObject): RollOut {
  const status = part(object, 'status');
  if (!isObserved(object)) return notObserved();
  const stalled = conditionOf(object, 'Progressing');
  if (stalled?.reason === 'ProgressDeadlineExceeded') return failed(wordsOf(stalled));
  const wanted = count(part(object, 'spec'), 'replicas', 1);
  const updated = count(status, 'updatedReplicas');
  if (updated < wanted) return progressing(`${updated} of ${wanted} replicas are updated`);
  const old = count(status, 'replicas') - updated;
  if (old > 0) return progressing(`${old} old replicas are still there`);
  const available = count(status, 'availableReplicas');
  return available < updated ? progressing(`${available} of ${updated} updated replicas are available`) : done;
}

function statefulSet(object: KubernetesObject): RollOut {
  if (!isObserved(object)) return notObserved();
  const [spec, status] = [part(object, 'spec'), part(object, 'status')];
  const strategy = part(spec, 'updateStrategy');
  const wanted = count(spec, 'replicas', 1);
  const ready = count(status, 'readyReplicas');
  if (ready < wanted) return progressing(`${ready} of ${wanted} pods are ready`);
  // Pods are replaced only when somebody deletes them.
  if (text(strategy, 'type') === 'OnDelete') return done;
  const partition = count(part(strategy, 'rollingUpdate'), 'partition');
  const updated = count(status, 'updatedReplicas');
  if (updated < wanted - partition) return progressing(`${updated} of ${wanted - partition} pods are updated`);
  if (partition === 0 && text(status, 'updateRevision') !== text(status, 'currentRevision')) {
    return progressing('the last pods of the old revision are being replaced');
  }
  return done;
}

function daemonSet(object: KubernetesObject): RollOut {
  if (!isObserved(object)) return notObserved();
  const [spec, status] = [part(object, 'spec'), part(object, 'status')];
  const wanted = count(status, 'desiredNumberScheduled');
  const updated = count(status, 'updatedNumberScheduled');
  const onDelete = text(part(spec, 'updateStrategy'), 'type') === 'OnDelete';
  if (!onDelete && updated < wanted) return progressing(`${updated} of ${wanted} pods are updated`);
  const available = count(status, 'numberAvailable');
  return available < wanted ? progressing(`${available} of ${wanted} pods are available`) : done;
}

function replicaSet(object: KubernetesObject): RollOut {
  if (!isObserved(object)) return notObserved();
  const wanted = count(part(object, 'spec'), 'replicas', 1);
  const status = part(object, 'status');
  const failure = conditionOf(object, 'ReplicaFailure');
  if (failure?.status === 'True') return progressing(wordsOf(failure));
  const available = count(status, 'availableReplicas');
  if (available < wanted) return progressing(`${available} of ${wanted} replicas are available`);
  const tooMany = count(status, 'replicas') - wanted;
  return tooMany > 0 ? progressing(`${tooMany} replicas too many are still there`) : done;
}

/** Done is a job that has done its work, not one that has begun. */
function job(object: KubernetesObject): RollOut {
  const failure = conditionOf(object, 'Failed');
  if (failure?.status === 'True') return failed(wordsOf(failure));
  if (conditionOf(object, 'Complete')?.status === 'True') return done;
  if (conditionOf(object, 'Suspended')?.status === 'True') return progressing('it is suspended');
  const succeeded = count(part(object, 'status'), 'succeeded');
  return progressing(`${succeeded} of ${count(part(object, 'spec'), 'completions', 1)} pods have succeeded`);
}

function pod(object: KubernetesObject): RollOut {
  const status = part(object, 'status');
  const phase = text(status, 'phase');
  if (phase === 'Succeeded') return done;
  if (phase === 'Failed') {
    const words = [text(status, 'reason'), text(status, 'message')].filter((word) => word !== '').join(': ');
    return failed(words === '' ? 'it has failed' : words);
  }
  const ready = conditionOf(object, 'Ready');
  if (ready?.status === 'True') return done;
  const unscheduled = conditionOf(object, 'PodScheduled');
  const why = unscheduled?.status === 'False' ? unscheduled : ready;
  return progressing(`it is ${phase || 'not started'}${why === undefined ? '' : ` (${wordsOf(why)})`}`);
}

function persistentVolumeClaim(object: KubernetesObject): RollOut {
  const phase = text(part(object, 'status'), 'phase');
  if (phase === 'Bound') return done;
  if (phase === 'Lost') return failed('its volume is lost');
  return progressing(`it is ${phase || 'not bound'}`);
}

/** Said by controllers that follow no rule of their own: kstatus' two, then the names that mean "works". */
function byConditions(object: KubernetesObject): RollOut {
  const stalled = conditionOf(object, 'Stalled');
  if (stalled?.status === 'True' && !isOutdated(stalled, object)) return failed(wordsOf(stalled));
  const reconciling = conditionOf(object, 'Reconciling');
  if (reconciling?.status === 'True') return progressing(wordsOf(reconciling));
  const telling = ['Ready', 'Available', 'Established', 'Healthy'].map((type) => conditionOf(object, type));
  const condition = telling.find((each) => each !== undefined);
  // Nothing that could become true: a ConfigMap, a Role, a Namespace.
  if (condition === undefined) return done;
  if (isOutdated(condition, object)) return notObserved();
  return condition.status === 'True' ? done : progressing(notTrue(condition));
}

function notTrue(condition: Condition): string {
  const words = wordsOf(condition);
  return `its condition ${condition.type} is ${condition.status}${words === '' ? '' : ` (${words})`}`;
}

/** For kinds whose controllers always write it: an absent one was never seen. */
function isObserved(object: KubernetesObject): boolean {
  return count(part(object, 'status'), 'observedGeneration') >= (object.metadata.generation ?? 0);
}

function notObserved(): RollOut {
  return progressing('its controller has not seen the newest spec yet');
}
