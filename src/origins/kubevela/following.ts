import type { Execution } from '../../core/execution.ts';
import type { OriginEnd } from '../../core/origin.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import { originWords } from './origin-source.ts';
import { type StepStatus, stepWithId, workflowStatusOf } from './workflow-status.ts';

/**
 * What a proven origin has come to by an object as it was read (undefined: there is none); undefined while it stands. Of the
 * workflow's own `terminated` nothing follows: any failed step sets it, and the steps that run after a failure are run
 * then. `vela workflow terminate` writes it into each running step besides (kubevela/workflow: pkg/utils/operation.go).
 */
export function endOf(object: KubernetesObject | undefined, { request, status }: Execution): OriginEnd | undefined {
  const { origin } = request;
  const { proof } = status;
  if (origin === undefined || proof === undefined) return undefined;
  const words = originWords(origin);
  const deleted = (message: string) => ({ reason: 'OriginGone', message, originIsDeleted: true }) as const;
  if (object === undefined) return deleted(`${words} was deleted`);
  const { uid, deletionTimestamp } = object.metadata;
  if (uid !== proof.uid) return deleted(`${words} was deleted, and another one has its name now`);
  if (deletionTimestamp !== undefined) return deleted(`${words} is being deleted`);

  const workflow = workflowStatusOf(origin.kind, object);
  const step = stepWithId(workflow, origin.sessionID);
  if (step === undefined) {
    const message = `the workflow of ${words} began anew, so that this run of its step ${origin.step} counts no more`;
    return { reason: 'Superseded', message };
  }
  if (hasEnded(step)) return endOfStep(step, words);
  return workflow.isFinished ? { reason: 'OriginGone', message: `the workflow of ${words} is over` } : undefined;
}

/** kubevela/workflow: pkg/types/types.go, IsStepFinish. What failed by `Execute` is tried again. */
export function hasEnded({ phase, reason }: StepStatus): boolean {
  if (phase === 'failed') return reason !== '' && reason !== 'Execute';
  return phase === 'succeeded' || phase === 'skipped';
}

/** Whether the engine asks about it again and again. */
export function isTicking(step: StepStatus): boolean {
  return step.phase === 'running' || (step.phase === 'failed' && !hasEnded(step));
}

function endOfStep({ name, phase, reason }: StepStatus, words: string): OriginEnd {
  if (reason === 'Timeout') {
    return { reason: 'OriginTimedOut', message: `the time limit that ${words} sets for its step ${name} has passed` };
  }
  const message =
    phase === 'failed' && reason === 'Terminate'
      ? `the workflow of ${words} was terminated`
      : `step ${name} of ${words} has ended already: ${reason === '' ? phase : `${phase}, ${reason}`}`;
  return { reason: 'OriginGone', message };
}
