import { type Execution, type ExecutionRequest, type ExecutionStatus, initialStatus } from '../../core/execution.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { NewExecution } from '../../core/store.ts';
import type { EpochMs } from '../../core/time.ts';
import { part, text } from '../../providers/kubernetes/kubernetes-object.ts';

export const apiVersion = 'aftersync.dev/v1alpha1';
export const kind = 'StepExecution';
export const plural = 'stepexecutions';

/** Of all namespaces. */
export const allPath = `/apis/${apiVersion}/${plural}`;

export function collectionPath(namespace: string): string {
  return `/apis/${apiVersion}/namespaces/${namespace}/${plural}`;
}

const stepLabel = 'aftersync.dev/step';

/** What every status has, in case somebody has written one by hand. */
const leastStatus: ExecutionStatus = {
  state: 'pending',
  message: '',
  outputs: {},
  attempts: 0,
  effects: [],
  signals: [],
};

/** What `spec` holds beside the request: all that is written once. */
interface Identity {
  readonly caller: string;
  readonly createdAt: EpochMs;
  readonly deadline: EpochMs;
  /** Where it is known without a proof. */
  readonly originStep?: string;
  /** Of replicas of earlier builds, which run beside ours during an upgrade. Goes after 0.2.0. */
  readonly requestDigest?: string;
}

/** An execution with what a write of its object takes. */
export interface StoredExecution {
  readonly execution: Execution;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** The object without its status, which the API server takes in a write of its own. */
export function toObject({ namespace, id, request, caller, createdAt, deadline, status }: NewExecution) {
  const { originStep } = status;
  const identity: Identity = {
    caller,
    createdAt,
    deadline,
    ...(originStep === undefined ? {} : { originStep }),
  };
  return {
    apiVersion,
    kind,
    metadata: { name: id, namespace, labels: { [stepLabel]: request.step } },
    spec: { ...request, ...identity },
  } as unknown as JsonObject;
}

/** What stands in `status`: the execution's, and how often it was written. */
export function toStatusObject(status: ExecutionStatus, version: number): JsonObject {
  return { ...status, version } as unknown as JsonObject;
}

/** Throws where the object was not made by toObject: our CRD lets nobody make such a one. */
export function toStored(object: JsonObject): StoredExecution {
  const metadata = part(object, 'metadata');
  const { caller, createdAt, deadline, originStep, requestDigest, ...rest } = part(object, 'spec') as JsonObject &
    Identity;
  const key = { namespace: text(metadata, 'namespace'), id: text(metadata, 'name') };
  const request = rest as unknown as ExecutionRequest;
  // Without a status nobody has begun with it.
  const initial = initialStatus(createdAt, isOwn(originStep, key.namespace, request) ? originStep : undefined);
  const { version = 1, ...status } = part(object, 'status') as Partial<ExecutionStatus> & { readonly version?: number };
  return {
    uid: text(metadata, 'uid'),
    resourceVersion: text(metadata, 'resourceVersion'),
    execution: {
      ...key,
      version,
      request,
      caller,
      createdAt,
      deadline,
      status: isJsonObject(object.status) ? { ...leastStatus, ...status } : initial,
    },
  };
}

/** What the engine makes of such a request, see accept: whoever may create objects may write anything else there. */
function isOwn(originStep: string | undefined, namespace: string, request: ExecutionRequest): boolean {
  const { step, origin, onChange } = request;
  const own =
    origin === undefined
      ? `api/${namespace}/${step}/${onChange?.scope}`
      : `${origin.kind}/${origin.namespace}/${origin.name}/${origin.step}`;
  return originStep === own;
}
