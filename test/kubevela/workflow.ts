import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubernetesObject } from './cluster.ts';

export const examplesFolder = join(import.meta.dirname, '../../examples');

/** An example, by the name of its file without the ending, moved from the namespace default to another. */
export function readExample(name: string, namespace: string): KubernetesObject {
  const object = parse(readFileSync(join(examplesFolder, `${name}.yaml`), 'utf8')) as KubernetesObject;
  return { ...object, metadata: { ...object.metadata, namespace } };
}

export interface StepState {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly phase: string;
  readonly reason?: string;
  readonly message?: string;
}

/** What the status of an Application or a WorkflowRun says of its workflow. */
export interface WorkflowState {
  /** Absent for a WorkflowRun, which has but one. */
  readonly revision: string | undefined;
  readonly isFinished: boolean;
  /** `succeeded`, `failed`, … */
  readonly status: string;
  /** Sub-steps after their group. */
  readonly steps: readonly StepState[];
}

interface StepInStatus extends StepState {
  readonly subSteps?: readonly StepState[];
}

interface WorkflowInStatus {
  readonly appRevision?: string;
  readonly finished?: boolean;
  readonly status?: string;
  readonly steps?: readonly StepInStatus[];
}

export function workflowOf(object: KubernetesObject | undefined): WorkflowState {
  const { kind, status } = object ?? {};
  const workflow = ((kind === 'Application' ? status?.workflow : status) ?? {}) as WorkflowInStatus;
  return {
    revision: workflow.appRevision,
    isFinished: workflow.finished === true,
    status: workflow.status ?? 'not begun',
    steps: (workflow.steps ?? []).flatMap(({ subSteps = [], ...step }) => [step, ...subSteps]),
  };
}

/** Names of the declared steps and sub-steps. */
export function declaredSteps({ spec }: KubernetesObject): readonly string[] {
  interface Declared {
    readonly name: string;
    readonly subSteps?: readonly { readonly name: string }[];
  }
  const workflow = (spec?.workflow ?? spec?.workflowSpec) as unknown as { readonly steps: readonly Declared[] };
  return workflow.steps.flatMap(({ name, subSteps = [] }) => [name, ...subSteps.map((subStep) => subStep.name)]);
}

/** A line for each step, for people who ask why. */
export function describeSteps({ steps }: WorkflowState): string {
  return steps
    .map(({ name, phase, reason, message }) => [name, phase, reason, message].filter(Boolean).join('  '))
    .join('\n');
}
