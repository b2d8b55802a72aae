import { hash } from 'node:crypto';
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

/** What executions of one recurring step have in common, known from their creation on, so that they can be listed. */
export const recurrenceLabel = 'aftersync.dev/recurrence';
/** The UID of the Application or WorkflowRun would be better to have, but is known only once it is proven; see status.proof. */
const stepLabel = 'aftersync.dev/step';

/** What `spec` holds beside the request: all that is written once. */
interface Identity {
  readonly requestDigest: string;
  readonly caller: string;
  readonly createdAt: EpochMs;
  readonly deadline: EpochMs;
  /** Where it is known without a proof. */
  readonly originStep?: string;
}

/** An execution with what a write of its object takes. */
export interface StoredExecution {
  readonly execution: Execution;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** The object without its status, which the API server takes in a write of its own. */
export function toObject({ namespace, id, request, requestDigest, caller, createdAt, deadline, status }: NewExecution) {
  const recurrence = recurrenceOf(namespace, request);
  const { originStep } = status;
  const identity: Identity = {
    requestDigest,
    caller,
    createdAt,
    deadline,
    ...(originStep === undefined ? {} : { originStep }),
  };
  return {
    apiVersion,
    kind,
    metadata: {
      name: id,
      namespace,
      labels: { [stepLabel]: request.step, ...(recurrence === undefined ? {} : { [recurrenceLabel]: recurrence }) },
    },
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
  const { requestDigest, caller, createdAt, deadline, originStep, ...request } = part(object, 'spec') as JsonObject &
    Identity;
  const key = { namespace: text(metadata, 'namespace'), id: text(metadata, 'name') };
  // Without a status nobody has begun with it.
  const { version, ...status } = isJsonObject(object.status)
    ? (object.status as JsonObject & ExecutionStatus & { version: number })
    : { ...initialStatus(createdAt, originStep), version: 1 };
  return {
    uid: text(metadata, 'uid'),
    resourceVersion: text(metadata, 'resourceVersion'),
    execution: {
      ...key,
      version,
      request: request as unknown as ExecutionRequest,
      requestDigest,
      caller,
      createdAt,
      deadline,
      status: status as ExecutionStatus,
    },
  };
}

/** The value of recurrenceLabel. Undefined where nothing recurs. */
export function recurrenceOf(namespace: string, { step, origin, onChange }: ExecutionRequest): string | undefined {
  const recurring =
    origin === undefined
      ? onChange?.scope && ['api', namespace, step, onChange.scope]
      : [origin.kind, origin.namespace, origin.name, origin.step];
  return recurring && hash('sha256', JSON.stringify(recurring), 'hex').slice(0, 40);
}
