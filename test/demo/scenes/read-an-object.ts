import { setTimeout as delay } from 'node:timers/promises';
import type { DeploymentStatus, KubernetesStandIn } from '../../support/kubernetes/stand-in.ts';
import { type Finding, followUntil, requireSuccess, type Scene, SceneFailed } from '../scene.ts';
import type { Stage } from '../stage.ts';

const id = 'rolled-out';
const image = 'acme/shop:2.0';
/** Far beyond what it takes: a demo is to fail rather than to hang. */
const timeout = '2m';
const rollOutRequest = {
  step: 'read-object',
  timeout,
  with: {
    kind: 'Deployment',
    name: 'web',
    namespace: 'default',
    waitFor: 'rolledOut',
    select: { image: '.spec.template.spec.containers[0].image' },
  },
};
/** What every cluster has. Of yours nothing but this is read. */
const namespaceRequest = {
  step: 'read-object',
  timeout,
  with: {
    kind: 'Namespace',
    name: 'default',
    waitFor: { jsonPath: '.status.phase', equals: 'Active' },
    select: { uid: '.metadata.uid', phase: '.status.phase' },
  },
};

/** How the roll-out goes on, each a while after the one before. */
const momentMs = 350;
const moments: readonly { readonly words: string; readonly counts: Omit<DeploymentStatus, 'observedGeneration'> }[] = [
  { words: '1 of 2 replicas is updated', counts: { replicas: 3, updatedReplicas: 1, availableReplicas: 2 } },
  { words: '2 of 2 are updated, 1 is available', counts: { replicas: 2, updatedReplicas: 2, availableReplicas: 1 } },
  { words: '2 of 2 are updated and available', counts: { replicas: 2, updatedReplicas: 2, availableReplicas: 2 } },
];

export const readAnObject: Scene = {
  title: 'Wait for what becomes of an object, and hand a field of it on',
  async play(stage) {
    const { standIn } = stage.cluster;
    return [standIn === undefined ? await readNamespace(stage) : await followRollOut(stage, standIn)];
  },
};

async function readNamespace(stage: Stage): Promise<Finding> {
  const { api, timeline } = stage;
  const { status } = await api.put(id, namespaceRequest);
  timeline.event('you', `PUT /v1/executions/${id} (read-object, Namespace default) is answered with ${status}`);
  requireSuccess(await followUntil(stage, id));
  return { count: 1, what: 'object of your cluster read, and nothing written there' };
}

async function followRollOut(stage: Stage, standIn: KubernetesStandIn): Promise<Finding> {
  const { api, timeline } = stage;
  const generation = standIn.setImage(image);
  timeline.event('cluster', `Deployment default/web gets the image ${image}; no pod has it yet`);
  const { status } = await api.put(id, rollOutRequest);
  timeline.event('you', `PUT /v1/executions/${id} (read-object, waitFor rolledOut) is answered with ${status}`);

  let writtenAt: number | undefined;
  const { promise: isWaiting, resolve: seeWaiting } = Promise.withResolvers<void>();
  const playing = async () => {
    await Promise.all([standIn.waitForWatch(), isWaiting]);
    for (const { words, counts } of moments) {
      await delay(momentMs, undefined, { signal: stage.signal });
      if (words === moments.at(-1)?.words) writtenAt = performance.now();
      standIn.writeStatus({ observedGeneration: generation, ...counts });
      timeline.event('cluster', `status is written: ${words}`);
    }
  };
  const following = async () => {
    const execution = await followUntil(stage, id, ({ message }) => {
      if (message.startsWith('waiting')) seeWaiting();
      return false;
    });
    const endedAt = performance.now();
    requireSuccess(execution);
    if (writtenAt === undefined) throw new SceneFailed('the step ended before the roll-out did');
    if (execution.outputs.image !== image) throw new SceneFailed(`the image is ${execution.outputs.image}`);
    return Math.round(endedAt - writtenAt);
  };
  const [lagMs] = await Promise.all([following(), playing()]);
  timeline.event('you', `are told ${lagMs} ms after the status was written: by watch, nothing polls`);
  return { count: 1, what: `Deployment seen as rolled out when it was, ${lagMs} ms later, and its image handed on` };
}
