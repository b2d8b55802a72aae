import type { Cluster, ObjectName } from './cluster.ts';
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
export async function restartWorkflow(cluster: Cluster, application: ObjectName): Promise<void> {
  const read = await requireApplication(cluster, application);
  const { workflow: _, ...status } = read.status ?? {};
  await cluster.replaceStatus({ ...read, status });
}

async function changeWorkflow(
  cluster: Cluster,
  application: ObjectName,
  change: { readonly suspend: boolean; readonly terminated?: boolean },
  changeStep: (status: StepStatus) => StepStatus,
): Promise<void> {
  const read = await requireApplication(cluster, application);
  const { workflow } = read.status ?? {};
  if (workflow === undefined) throw new Error('the workflow in application is not running');
  const steps = (workflow.steps ?? []).map((status) => {
    const changed = changeStep(status);
    return status.subSteps === undefined ? changed : { ...changed, subSteps: status.subSteps.map(changeStep) };
  });
  await cluster.replaceStatus({ ...read, status: { ...read.status, workflow: { ...workflow, ...change, steps } } });
}

function moved(from: StepPhase, to: StepPhase): (status: StepStatus) => StepStatus {
  return (status) => (status.phase === from ? { ...status, phase: to } : status);
}

async function requireApplication(cluster: Cluster, name: ObjectName): Promise<Application> {
  const found = await cluster.get<Application>(name);
  if (found === undefined) throw new Error(`no Application ${name.name}`);
  return found;
}
