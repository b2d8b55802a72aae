import type { Origin } from '../../core/execution.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';

/** What KubeVela's engine has written of one step. Texts that it left out are empty. */
export interface StepStatus {
  /** The session of this one run of the step: of a restart or a new revision it is another. */
  readonly id: string;
  readonly name: string;
  /** `smoke`, and in a step-group `tests/smoke`. */
  readonly path: string;
  /** As it was declared, with `@version` where one is named. */
  readonly type: string;
  /** `pending`, `running`, `suspending`, `succeeded`, `failed` or `skipped`. */
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  /** To the second, such as `2026-11-21T02:00:00Z`. */
  readonly lastExecuteTime: string;
}

/** An Application's `status.workflow`, or the status of a WorkflowRun. */
export interface WorkflowStatus {
  /** Of an Application: the name of the revision that it runs, perhaps with `-vf-…` behind it, or its publishVersion. */
  readonly appRevision: string;
  /** `executing`, `suspending`, `terminated`, `failed`, `succeeded`, … */
  readonly phase: string;
  readonly isSuspended: boolean;
  /** Also set while steps that run after a failure (`if: always`) still do. */
  readonly isTerminated: boolean;
  readonly isFinished: boolean;
  /** Steps of step-groups follow their group. */
  readonly steps: readonly StepStatus[];
}

/** kubevela/workflow: api/v1alpha1/types.go, kubevela/kubevela: apis/core.oam.dev/common/types.go */
export function workflowStatusOf(kind: Origin['kind'], object: KubernetesObject): WorkflowStatus {
  const status = part(object, 'status');
  const workflow = kind === 'Application' ? part(status, 'workflow') : status;
  return {
    appRevision: text(workflow, 'appRevision'),
    phase: text(workflow, 'status'),
    isSuspended: workflow.suspend === true,
    isTerminated: workflow.terminated === true,
    isFinished: workflow.finished === true,
    steps: objectsIn(workflow.steps).flatMap((step) => [
      toStepStatus(step, ''),
      ...objectsIn(step.subSteps).map((subStep) => toStepStatus(subStep, `${text(step, 'name')}/`)),
    ]),
  };
}

export function stepWithId({ steps }: WorkflowStatus, id: string): StepStatus | undefined {
  return steps.find((step) => step.id === id);
}

/** Those of a list that are objects; none where it is no list. */
export function objectsIn(list: Json | undefined): readonly JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

function toStepStatus(step: JsonObject, group: string): StepStatus {
  const name = text(step, 'name');
  return {
    id: text(step, 'id'),
    name,
    path: group + name,
    type: text(step, 'type'),
    phase: text(step, 'phase'),
    reason: text(step, 'reason'),
    message: text(step, 'message'),
    lastExecuteTime: text(step, 'lastExecuteTime'),
  };
}
