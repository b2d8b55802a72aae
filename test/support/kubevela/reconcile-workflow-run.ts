import type { Cluster } from './cluster.ts';
import { timestamp } from './execute-workflow.ts';
import type { Workflow, WorkflowRun, WorkflowStep } from './objects.ts';
import type { OwnerTools, Reconciled } from './workflow-owner.ts';

/** One reconcile of a WorkflowRun. Source: kubevela/workflow: controllers/workflowrun_controller.go */
export async function reconcileWorkflowRun(run: WorkflowRun, tools: OwnerTools): Promise<Reconciled> {
  const { cluster, clock } = tools;
  if (run.status?.finished === true) return {};
  const { name, namespace = 'default' } = run.metadata;
  const { steps, mode } = await declarationOf(run, cluster);
  const { state, phase, againInMs } = await tools.tick(run, {
    steps,
    mode,
    context: { ...run.spec.context, name, namespace },
    state: run.status,
    memory: tools.memoryOf(run),
  });
  const isEnd = phase === 'succeeded' || phase === 'failed' || phase === 'terminated';
  const { conditions } = run.status ?? {};
  const status = {
    ...state,
    mode,
    status: phase,
    ...(conditions !== undefined && { conditions }),
    ...(isEnd && { finished: true, endTime: timestamp(clock) }),
  };
  await tools.write(run, { ...run, status });
  return againInMs === undefined ? {} : { againInMs };
}

async function declarationOf({ metadata: { namespace = 'default' }, spec }: WorkflowRun, cluster: Cluster) {
  const usual = { steps: 'StepByStep', subSteps: 'DAG' } as const;
  const inline: readonly WorkflowStep[] | undefined = spec.workflowSpec?.steps;
  if (inline !== undefined) return { steps: inline, mode: { ...usual, ...spec.mode } };
  const name = spec.workflowRef ?? '';
  const workflow = await cluster.get<Workflow>({
    apiVersion: 'core.oam.dev/v1alpha1',
    kind: 'Workflow',
    name,
    namespace,
  });
  if (workflow === undefined) throw new Error(`no Workflow ${name} in ${namespace}`);
  return { steps: workflow.steps ?? [], mode: { ...usual, ...(spec.mode ?? workflow.mode) } };
}
