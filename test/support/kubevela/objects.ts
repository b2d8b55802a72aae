/** What the workflow engine reads and writes of KubeVela's objects, as JSON has it. */
import type { JsonObject } from '../../../src/core/json.ts';

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly JsonObject[];
}

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
}

export interface WorkflowStep {
  readonly name: string;
  readonly type: string;
  readonly if?: string;
  readonly timeout?: string;
  readonly dependsOn?: readonly string[];
  readonly inputs?: readonly { readonly from: string; readonly parameterKey?: string }[];
  readonly outputs?: readonly { readonly name: string; readonly valueFrom: string }[];
  readonly properties?: JsonObject;
  readonly mode?: Mode;
  readonly subSteps?: readonly WorkflowStep[];
}

export type Mode = 'StepByStep' | 'DAG';
export interface ExecuteMode {
  readonly steps?: Mode;
  readonly subSteps?: Mode;
}

export type StepPhase = 'succeeded' | 'failed' | 'skipped' | 'running' | 'pending' | 'suspending';

export interface StepStatus {
  readonly id?: string;
  readonly name: string;
  readonly type?: string;
  readonly phase?: StepPhase;
  readonly message?: string;
  readonly reason?: string;
  readonly firstExecuteTime?: string;
  readonly lastExecuteTime?: string;
  readonly subSteps?: readonly StepStatus[];
}

export type WorkflowPhase = 'initializing' | 'executing' | 'suspending' | 'terminated' | 'failed' | 'succeeded';

/** Common to `status.workflow` of an Application and `status` of a WorkflowRun. */
export interface WorkflowState {
  readonly status?: WorkflowPhase;
  readonly message?: string;
  readonly suspend: boolean;
  readonly terminated: boolean;
  readonly finished: boolean;
  readonly steps?: readonly StepStatus[];
  readonly startTime?: string;
  readonly endTime?: string | null;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly lastTransitionTime: string;
  readonly message?: string;
}

export interface AppliedResource {
  readonly creator: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
}

export interface Component {
  readonly name: string;
  readonly type: string;
  readonly properties?: JsonObject;
}

export interface ApplicationSpec {
  readonly components: readonly Component[];
  readonly workflow?: { readonly ref?: string; readonly mode?: ExecuteMode; readonly steps?: readonly WorkflowStep[] };
}

export interface Application extends KubernetesObject {
  readonly spec: ApplicationSpec;
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly observedGeneration?: number;
    readonly status?: string;
    readonly latestRevision?: { readonly name: string; readonly revision: number; readonly revisionHash?: string };
    readonly appliedResources?: readonly AppliedResource[];
    readonly workflow?: WorkflowState & { readonly appRevision?: string; readonly mode: string };
  };
}

export interface Workflow extends KubernetesObject {
  readonly mode?: ExecuteMode;
  readonly steps?: readonly WorkflowStep[];
}

export interface WorkflowRun extends KubernetesObject {
  readonly spec: {
    readonly context?: JsonObject;
    readonly mode?: ExecuteMode;
    readonly workflowSpec?: { readonly steps: readonly WorkflowStep[] };
    readonly workflowRef?: string;
  };
  readonly status?: WorkflowState & { readonly mode: ExecuteMode; readonly conditions?: readonly Condition[] };
}
