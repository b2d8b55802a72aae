import type { Timeline } from '../demo/timeline.ts';
import type { Cluster, KubernetesObject } from './cluster.ts';
import type { StandIns } from './stand-ins.ts';
import { describeSteps, type WorkflowState, workflowOf } from './workflow.ts';

/** Enough for nodes that have to pull an image first. */
const endsWithinMs = 300_000;

/** Where the examples run. */
export interface Stage {
  readonly cluster: Cluster;
  /** Of the check alone. */
  readonly namespace: string;
  readonly timeline: Timeline;
  /** Absent: the executor is not ours to configure. */
  readonly standIns?: StandIns;
  readonly hasWorkflowRuns: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Steps that KubeVela could not ask the executor for: no use in going on. */
export class OutOfReach extends Error {}

/** Creates an Application or a WorkflowRun, and returns its path. */
export async function create(stage: Stage, object: KubernetesObject): Promise<string> {
  const { apiVersion, kind } = object;
  const collection = `/apis/${apiVersion}/namespaces/${stage.namespace}/${kind.toLowerCase()}s`;
  const created = await stage.cluster.create<KubernetesObject>(collection, object);
  return `${collection}/${created.metadata.name}`;
}

/** As soon as the workflow is so. Throws with its steps where that takes too long. */
export async function workflowWhen(
  { cluster, signal }: Stage,
  path: string,
  isSo: (workflow: WorkflowState) => boolean,
): Promise<WorkflowState> {
  let last = workflowOf(undefined);
  const seen = (object: KubernetesObject | undefined) => {
    last = workflowOf(object);
    return isSo(last);
  };
  try {
    await cluster.until(path, seen, { what: `the workflow of ${path}`, timeoutMs: endsWithinMs, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error(`${(error as Error).message}; its steps:\n${describeSteps(last)}`, { cause: error });
  }
  return last;
}

const callOfOurs = /^function call error for call: ([^\n]*?\/v1\/executions\/[^\n]*?)(?: \(value:|$)/;

/** As soon as the workflow of another revision than that has ended. Throws OutOfReach. */
export async function workflowEnded(stage: Stage, path: string, before?: WorkflowState): Promise<WorkflowState> {
  // In the end KubeVela may overwrite it by what it says of the step's outputs.
  let lastCallError: string | undefined;
  const ended = await workflowWhen(stage, path, ({ isFinished, revision, steps }) => {
    const messages = steps.map(({ message = '' }) => callOfOurs.exec(message)?.[1]);
    lastCallError = messages.find((message) => message !== undefined) ?? lastCallError;
    return isFinished && (before === undefined || revision !== before.revision);
  });
  const wasGivenUp = ended.steps.some(({ reason }) => reason === 'FailedAfterRetries');
  if (wasGivenUp && lastCallError !== undefined) throw new OutOfReach(lastCallError);
  return ended;
}
