import type { Execution, ExecutionStatus, Origin } from '../../../src/core/execution.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { originObject } from '../../../src/origins/kubevela/origin-object.ts';

/** When the samples were created: within a second, where no tick of the engine begins. */
export const t0 = Date.UTC(2026, 10, 21, 2, 0, 0, 300);

export const web: Origin = {
  kind: 'Application',
  namespace: 'shop',
  name: 'web',
  step: 'smoke',
  sessionID: 'smoke00001',
};
export const webPlace = originObject(web);

/** As KubeVela writes it while the step waits for us. */
export const smoke = {
  id: web.sessionID,
  name: web.step,
  type: 'trigger-github-action',
  phase: 'running',
  reason: 'Wait',
  message: 'waiting',
  firstExecuteTime: '2026-11-21T02:00:00Z',
  lastExecuteTime: '2026-11-21T02:00:00Z',
};

const parsed = {
  type: 'Parsed',
  status: 'True',
  reason: 'Available',
  lastTransitionTime: '2026-11-21T02:00:00Z',
};

export interface SampleWorkflow extends JsonObject {
  readonly steps: readonly JsonObject[];
}

/** `workflow`: changes of `status.workflow`. */
export function application(workflow: SampleWorkflow = { steps: [smoke] }, changes: JsonObject = {}): JsonObject {
  const { appRevision = 'web-v1', ...more } = workflow;
  const status = { status: 'executing', suspend: false, terminated: false, finished: false, mode: 'StepByStep-DAG' };
  return {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    spec: { components: [] },
    status: {
      conditions: [parsed],
      latestRevision: { name: appRevision, revision: 1 },
      workflow: { ...status, appRevision, ...more },
    },
    ...changes,
  };
}

/** One that runs, is proven, and was asked for by the origin's session. */
export function execution(origin: Origin = web, changes: Partial<ExecutionStatus> = {}): Execution {
  return {
    namespace: origin.namespace,
    id: origin.sessionID,
    version: 1,
    request: { step: 'trigger-github-action', with: {}, origin },
    caller: 'a workflow',
    createdAt: t0,
    deadline: t0 + 7_200_000,
    status: {
      state: 'running',
      message: 'waiting',
      outputs: {},
      startedAt: t0,
      attempts: 0,
      effects: [],
      signals: [],
      proof: { uid: 'uid-1', declared: 'd2'.repeat(32), provenAt: t0 },
      ...changes,
    },
  };
}

export function ended(origin: Origin = web, finishedAt = t0): Execution {
  return execution(origin, { state: 'succeeded', message: 'done', finishedAt });
}
