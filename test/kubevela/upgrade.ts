import { setTimeout as delay } from 'node:timers/promises';
import type { KubernetesObject } from './cluster.ts';
import { create, type Stage, workflowEnded, workflowWhen } from './stage.ts';
import { describeSteps, type WorkflowState } from './workflow.ts';

const awaited = 'upgrade-is-over';
const names = ['upgrade-1', 'upgrade-2', 'upgrade-3', 'upgrade-4', 'upgrade-5'] as const;
/** So that some begin before the upgrade, and others at different moments of it. */
const betweenCreationsMs = 1_000;

/**
 * Workflows that begin before and during the upgrade, and end after it. `upgrade`: of addon and executor. Returns what was
 * not as it has to be.
 */
export async function playUpgrade(stage: Stage, upgrade: () => Promise<void>): Promise<readonly string[]> {
  const { cluster, namespace, standIns } = stage;
  standIns?.conclude();
  const runsBefore = standIns?.runs.length ?? 0;
  const [first, ...later] = names;
  const paths = [await create(stage, application(first, stage))];
  const before = await workflowWhen(
    stage,
    paths[0] ?? '',
    (workflow) => areWaiting(workflow, stage) && (standIns === undefined || standIns.runs.length > runsBefore),
  );

  const upgraded = upgrade();
  // Awaited below, unless creating one fails before.
  upgraded.catch(() => undefined);
  for (const name of later) {
    paths.push(await create(stage, application(name, stage)));
    await Promise.race([delay(betweenCreationsMs), upgraded]);
  }
  await upgraded;
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: awaited } };
  await cluster.create(`/api/v1/namespaces/${namespace}/configmaps`, configMap);
  standIns?.conclude('success');
  for (const run of standIns?.runs.slice(runsBefore) ?? []) standIns?.complete(run);

  const ended = await Promise.all(paths.map((path) => workflowEnded(stage, path)));
  const wrong = ended.flatMap((workflow, index) => {
    const { status } = workflow;
    return status === 'succeeded'
      ? []
      : [`${names[index]} ${status}, and was to have succeeded`, describeSteps(workflow)];
  });
  for (const { name, id } of before.steps) {
    const idAfter = ended[0]?.steps.find((step) => step.name === name)?.id;
    if (id !== idAfter) wrong.push(`step ${name} of ${first} began anew: it was ${id} and became ${idAfter}`);
  }
  if (standIns === undefined) return wrong;
  const marks = standIns.runs.slice(runsBefore).map(({ inputs }) => inputs.aftersync);
  for (const name of names) {
    const runs = marks.filter((mark) => mark === name).length;
    if (runs !== 1) wrong.push(`GitHub started ${runs} runs for ${name}, and was to start 1`);
  }
  return wrong;
}

function areWaiting({ steps }: WorkflowState, { standIns }: Stage): boolean {
  const waiting = steps.filter(({ phase, type }) => phase === 'running' && type !== 'step-group');
  return waiting.length === (standIns === undefined ? 1 : 2);
}

function application(name: string, { namespace, standIns }: Stage): KubernetesObject {
  const read = {
    name: 'read',
    type: 'aftersync-read-object',
    properties: { apiVersion: 'v1', kind: 'ConfigMap', name: awaited, waitFor: 'exists' },
  };
  const run = {
    name: 'run',
    type: 'trigger-github-action',
    properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main', inputs: { aftersync: name } },
  };
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { any: 'thing' } };
  return {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name, namespace },
    spec: {
      components: [{ name, type: 'k8s-objects', properties: { objects: [configMap] } }],
      workflow: {
        steps: [
          { name: 'apply', type: 'apply-component', properties: { component: name } },
          { name: 'after', type: 'step-group', subSteps: standIns === undefined ? [read] : [read, run] },
        ],
      },
    },
  };
}
