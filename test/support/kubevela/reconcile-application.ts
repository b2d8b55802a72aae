import type { JsonObject } from '../../../src/core/json.ts';
import type { Clock } from '../../../src/core/time.ts';
import { type Compression, publishVersionOf, type Revision, reviseApplication } from './application-revision.ts';
import { type Cluster, nameOf } from './cluster.ts';
import { renderComponent } from './components.ts';
import { timestamp } from './execute-workflow.ts';
import type { Application, AppliedResource, Condition, KubernetesObject, Workflow, WorkflowPhase } from './objects.ts';
import type { OwnerTools, Reconciled } from './workflow-owner.ts';

const finalizer = 'app.oam.dev/resource-tracker-finalizer';
/** Those that the engine keeps when it starts a workflow anew; others, ours too, it drops. */
const keptConditions = ['Parsed', 'Revision', 'Policy', 'Render'];

const applicationPhases: Readonly<Record<WorkflowPhase, string>> = {
  initializing: 'runningWorkflow',
  executing: 'runningWorkflow',
  suspending: 'workflowSuspending',
  terminated: 'workflowTerminated',
  failed: 'workflowFailed',
  succeeded: 'running',
};

type Status = NonNullable<Application['status']>;

export interface ApplicationTools extends OwnerTools {
  readonly compression: Compression;
  /** CUE of a step's type; undefined for one that is played without. */
  readonly definitionOf: (application: Application, type: string) => string | undefined;
}

/**
 * One reconcile of an Application. Source: kubevela/kubevela:
 * pkg/controller/core.oam.dev/v1beta1/application/application_controller.go and workflow.go
 */
export async function reconcileApplication(read: Application, tools: ApplicationTools): Promise<Reconciled> {
  const { cluster, clock } = tools;
  if (read.metadata.deletionTimestamp !== undefined) return removeApplication(read, cluster);
  if (!read.metadata.finalizers?.includes(finalizer)) {
    const finalizers = [...(read.metadata.finalizers ?? []), finalizer];
    await cluster.replace({ ...read, metadata: { ...read.metadata, finalizers } });
    return {};
  }

  const ref = read.spec.workflow?.ref;
  const workflow = ref === undefined ? undefined : await requireWorkflow(cluster, read, ref);
  const steps = workflow?.steps ?? read.spec.workflow?.steps ?? [];
  const types = steps.flatMap(({ type, subSteps = [] }) => [type, ...subSteps.map((subStep) => subStep.type)]);
  const definitions = Object.fromEntries(
    types.flatMap((type) => {
      const definition = tools.definitionOf(read, type);
      return definition === undefined ? [] : [[type, definition]];
    }),
  );
  const { revision, isNewest } = await reviseApplication(
    cluster,
    { application: read, ...(workflow !== undefined && { workflow }), definitions },
    tools.compression,
  );
  let application = read;
  if (!isNewest) {
    const conditions = withConditions(read.status?.conditions, ['Parsed', 'Revision'], clock);
    const status = { ...read.status, conditions, latestRevision: revision, status: 'rendering' };
    application = await cluster.replaceStatus({ ...read, status });
  }

  const started = startedAnew(application, revision);
  const mode = {
    steps: 'StepByStep',
    subSteps: 'DAG',
    ...(workflow?.mode ?? application.spec.workflow?.mode),
  } as const;
  const applied = [...(started.appliedResources ?? [])];
  const memory = tools.memoryOf(application);
  const ticked = await tools.tick(application, {
    steps,
    mode,
    context: contextOf(application, revision),
    state: started.workflow,
    memory,
    async applyComponent(name) {
      applied.push(...(await applyComponent(application, revision, name, cluster)));
    },
  });

  const { phase, againInMs } = ticked;
  const isEnd = phase === 'succeeded' || phase === 'failed' || phase === 'terminated';
  const isNewEnd = isEnd && !ticked.state.finished;
  const met = ['Parsed', 'Revision', 'Policy', 'Render', ...(phase === 'succeeded' ? ['Workflow', 'Ready'] : [])];
  const status: Status = {
    ...started,
    observedGeneration: application.metadata.generation ?? 0,
    status: applicationPhases[phase],
    conditions: withConditions(started.conditions, met, clock),
    appliedResources: distinct(applied),
    workflow: {
      ...ticked.state,
      appRevision: started.workflow?.appRevision ?? revision.name,
      mode: `${mode.steps}-${mode.subSteps}`,
      status: phase,
      ...(isNewEnd && { finished: true, endTime: timestamp(clock) }),
    },
  };
  if (isNewEnd) memory.forgetCounts();
  await tools.write(application, { ...application, status });
  return againInMs === undefined ? {} : { againInMs };
}

/** A new revision, or a restart: what there was of the workflow is gone. */
function startedAnew(application: Application, revision: Revision): Status {
  const { status = {} } = application;
  const wanted = publishVersionOf(application) ?? revision.name;
  if (status.workflow?.appRevision === wanted) return status;
  const { workflow: _, appliedResources: __, ...rest } = status;
  return {
    ...rest,
    conditions: (status.conditions ?? []).filter(({ type }) => keptConditions.includes(type)),
    workflow: { appRevision: wanted, mode: '', suspend: false, terminated: false, finished: false },
  };
}

function withConditions(
  standing: readonly Condition[] = [],
  types: readonly string[],
  clock: Clock,
): readonly Condition[] {
  const missing = types.filter((type) => !standing.some((condition) => condition.type === type));
  const lastTransitionTime = timestamp(clock);
  return [
    ...standing,
    ...missing.map((type) => {
      const reason = type === 'Ready' ? 'ReconcileSuccess' : 'Available';
      return { type, status: 'True', reason, lastTransitionTime };
    }),
  ];
}

function contextOf(application: Application, revision: Revision): JsonObject {
  const { name, namespace = 'default', labels, annotations } = application.metadata;
  return {
    name,
    namespace,
    appName: name,
    appRevision: revision.name,
    appRevisionNum: revision.revision,
    publishVersion: publishVersionOf(application) ?? '',
    workflowName: annotations?.['app.oam.dev/workflowName'] ?? '',
    ...(labels !== undefined && { appLabels: labels }),
    ...(annotations !== undefined && { appAnnotations: annotations }),
  };
}

async function requireWorkflow(cluster: Cluster, { metadata: { namespace = 'default' } }: Application, name: string) {
  const found = await cluster.get<Workflow>({ apiVersion: 'core.oam.dev/v1alpha1', kind: 'Workflow', name, namespace });
  if (found === undefined) throw new Error(`no Workflow ${name} in ${namespace}`);
  return found;
}

async function applyComponent(application: Application, revision: Revision, name: string, cluster: Cluster) {
  const component = application.spec.components.find((candidate) => candidate.name === name);
  if (component === undefined) throw new Error(`component ${name} not found`);
  const objects = renderComponent(application, revision.name, component);
  for (const object of objects) await cluster.apply(object);
  return objects.map(({ apiVersion, kind, metadata }): AppliedResource => {
    return { creator: 'workflow', apiVersion, kind, name: metadata.name, namespace: metadata.namespace ?? '' };
  });
}

function distinct(resources: readonly AppliedResource[]): readonly AppliedResource[] {
  return [...new Map(resources.map((resource) => [JSON.stringify(resource), resource])).values()];
}

/** What it applied goes with it. */
async function removeApplication(application: Application, cluster: Cluster): Promise<Reconciled> {
  const { name, namespace = 'default', finalizers = [] } = application.metadata;
  if (!finalizers.includes(finalizer)) return {};
  for (const { apiVersion, kind, name, namespace } of application.status?.appliedResources ?? []) {
    await cluster.delete({ apiVersion, kind, name, namespace });
  }
  const type = { apiVersion: 'core.oam.dev/v1beta1', kind: 'ApplicationRevision' };
  for (const revision of await cluster.list<KubernetesObject>(type, {
    namespace,
    labels: `app.oam.dev/name=${name}`,
  })) {
    await cluster.delete({ ...nameOf(revision), ...type });
  }
  const rest = finalizers.filter((other) => other !== finalizer);
  await cluster.replace({ ...application, metadata: { ...application.metadata, finalizers: rest } });
  return {};
}
