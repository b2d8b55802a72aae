import { ApiError, type Cluster, type ObjectName } from './cluster.ts';
import type { Application, StepPhase, StepStatus } from './objects.ts';

/** What `vela workflow suspend`, `resume`, `terminate` and `restart` do. Source: kubevela/kubevela: pkg/workflow/operation */

export function suspendWorkflow(cluster: Cluster, application: ObjectName): Promise<void> {
  return changeWorkflow(cluster, application, { suspend: true }, moved('running', 'suspending'));
}

export function resumeWorkflow(cluster: Cluster, application: ObjectName): Promise<void> {
  return changeWorkflow(cluster, application, { suspend: false }, moved('suspending', 'running'));
}

export function terminateWorkflow(cluster: Cluster, application: ObjectName): Promise<void> {
  return changeWorkflow(cluster, application, { suspend: false, terminated: true }, (status) => {
    const { phase, reason } = status;
    if (phase === 'running' || phase === 'suspending') return { ...status, phase: 'failed', reason: 'Terminate' };
    const isOver = reason === 'FailedAfterRetries' || reason === 'Timeout';
    return phase === 'failed' && !isOver ? { ...status, reason: 'Terminate' } : status;
  });
}

/** All steps again, with ids of their own. */
export function restartWorkflow(cluster: Cluster, application: ObjectName): Promise<void> {
  return changeStatus(cluster, application, ({ workflow: _, ...status }) => status);
}

function changeWorkflow(
  cluster: Cluster,
  application: ObjectName,
  change: { readonly suspend: boolean; readonly terminated?: boolean },
  changeStep: (status: StepStatus) => StepStatus,
): Promise<void> {
  return changeStatus(cluster, application, (status) => {
    const { workflow } = status;
    if (workflow === undefined) throw new Error('the workflow in application is not running');
    const steps = (workflow.steps ?? []).map((step) => {
      const changed = changeStep(step);
      return step.subSteps === undefined ? changed : { ...changed, subSteps: step.subSteps.map(changeStep) };
    });
    return { ...status, workflow: { ...workflow, ...change, steps } };
  });
}

type Status = NonNullable<Application['status']>;

/** The engine writes the status too, at each tick: whoever meets its write reads anew, as `vela` does. */
async function changeStatus(cluster: Cluster, name: ObjectName, change: (status: Status) => Status): Promise<void> {
  for (;;) {
    const read = await requireApplication(cluster, name);
    try {
      await cluster.replaceStatus({ ...read, status: change(read.status ?? {}) });
      return;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    }
  }
}

function moved(from: StepPhase, to: StepPhase): (status: StepStatus) => StepStatus {
  return (status) => (status.phase === from ? { ...status, phase: to } : status);
}

async function requireApplication(cluster: Cluster, name: ObjectName): Promise<Application> {
  const found = await cluster.get<Application>(name);
  if (found === undefined) throw new Error(`no Application ${name.name}`);
  return found;
}
