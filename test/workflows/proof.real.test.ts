import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import { eventually } from '../support/eventually.ts';
import type { ObjectName } from '../support/kubevela/cluster.ts';
import { addonDefinitions, ourDefinition } from '../support/kubevela/definitions.ts';
import type { Application, ApplicationSpec, KubernetesObject, WorkflowStep } from '../support/kubevela/objects.ts';
import { WorkflowRun } from '../support/kubevela/objects.ts';
import { restartWorkflow, resumeWorkflow } from '../support/kubevela/workflow-operations.ts';
import { configuration } from './executor.ts';
import { phasesOf, stepOf, WorkflowStage, workflowOf } from './stage.ts';

let stage: WorkflowStage;
before(async () => {
  const kubevela = `
  definitions: [{ type: smoke-test, step: trigger-github-action }]
  authorityFromInputs: [trigger-github-action/workflow]`;
  stage = await WorkflowStage.set({
    namespace: 'default',
    configure: (port, surroundings) => configuration(port, surroundings, { kubevela }),
  });
  // Its runs are under way until a test ends them.
  stage.gitHub.workflow('acme/shop', 'acceptance.yml').plan = [{ status: 'in_progress' }];
});
after(async () => {
  await stage.close();
  assert.deepEqual(stage.errors, []);
});

/** Bears the namespace as its version, by which its run is known. */
function release(namespace: string, more: Partial<WorkflowStep> = {}): WorkflowStep {
  const properties = { repository: 'acme/shop', workflow: 'release.yml', ref: 'main', inputs: { version: namespace } };
  return { name: 'release', type: 'trigger-github-action', properties, ...more };
}

/** The same by its image, and its run does not end by itself. */
function acceptance(namespace: string, more: Partial<WorkflowStep> = {}): WorkflowStep {
  const properties = { repository: 'acme/shop', workflow: 'acceptance.yml', ref: 'main', inputs: { image: namespace } };
  return { name: 'acceptance', type: 'trigger-github-action', properties, ...more };
}

const runsOf = (namespace: string) =>
  stage.gitHub.runs.filter(({ inputs }) => inputs.version === namespace || inputs.image === namespace);

function applyApplication(
  namespace: string,
  workflow: NonNullable<ApplicationSpec['workflow']>,
  annotations: Readonly<Record<string, string>> = {},
) {
  const data = { tag: 'shoes', colour: 'red' };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shop' }, data };
  return stage.apply<Application>({
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name: 'shop', namespace, annotations },
    spec: { components: [{ name: 'shop', type: 'k8s-objects', properties: { objects: [object] } }], workflow },
  });
}

const apply: WorkflowStep = { name: 'apply', type: 'apply-component', properties: { component: 'shop' } };
/** Hands on what the component holds. */
const read: WorkflowStep = {
  name: 'read',
  type: 'aftersync-read-object',
  properties: { kind: 'ConfigMap', name: 'shop', select: { tag: '.data.tag', colour: '.data.colour' } },
  outputs: ['tag', 'colour'].map((name) => ({ name, valueFrom: `output.${name}` })),
};

/** As the next version of the addon might bring it: another address, and a parameter that the one before did not send. */
function upgraded(): string {
  const replacements = [
    ['"1.0.0"', '"1.1.0"'],
    ['http://aftersync.vela-system:8080', 'http://aftersync.vela-system:9090'],
    ['with: {for name', 'with: {waitFor: "completed", for name'],
  ] as const;
  return replacements.reduce((text, [from, to]) => {
    assert.ok(text.includes(from), from);
    return text.replaceAll(from, to);
  }, ourDefinition('trigger-github-action'));
}

const services = () => ({
  'http://aftersync.vela-system:8080': stage.executor.url,
  'http://aftersync.vela-system:9090': stage.executor.url,
});

describe('an addon that is upgraded in the middle of a run', () => {
  test('after the proof: what was asked for first counts, and the new definition hears how it ends', async () => {
    const engine = await stage.engineIn('upgraded', { services: services() });
    const subject = await applyApplication('upgraded', { steps: [acceptance('upgraded')] });
    await subject.until((object) => /in progress/.test(stepOf(object, 'acceptance').message ?? ''), 'acceptance');
    engine.define('trigger-github-action', upgraded());
    // Any change makes KubeVela ask at once.
    await stage.cluster.mergePatch(subject.name, { metadata: { labels: { any: 'change' } } });
    const isUpgraded = ({ url }: { readonly url: string }) => url.startsWith('http://aftersync.vela-system:9090/');
    const calls = await eventually(
      async () => engine.calls,
      (made) => made.some(isUpgraded),
    );
    assert.equal(calls.find(isUpgraded)?.statusCode, 200);
    const [run] = runsOf('upgraded');
    stage.gitHub.setRun(run?.id ?? 0, { status: 'completed', conclusion: 'success' });
    assert.deepEqual(phasesOf(await subject.ended()), { acceptance: 'succeeded' });
    assert.equal(new Set(engine.calls.map(({ id }) => id)).size, 1);
    assert.equal(runsOf('upgraded').length, 1);
  });

  test('before the proof: the session is contested, nothing is sent, and a restart goes the new way', async () => {
    const engine = await stage.engineIn('contested', {
      services: services(),
      // The status that would prove the first tick is lost, and the second tick comes with the new definition.
      beforeWrite: async (name) => {
        if (engine.callsOf('release').length !== 1) return;
        engine.define('trigger-github-action', upgraded());
        await changeMeanwhile(name);
      },
    });
    const pending = release('contested', { inputs: [{ from: 'tag', parameterKey: 'ref' }] });
    const steps: WorkflowStep[] = [apply, { name: 'all', type: 'step-group', subSteps: [read, pending] }];
    const subject = await applyApplication('contested', { steps });
    const failed = await subject.ended();
    assert.equal(stepOf(failed, 'release').phase, 'failed');
    assert.match(stepOf(failed, 'release').message ?? '', /contested/);
    assert.equal(new Set(engine.callsOf('release').map(({ id }) => id)).size, 1);
    assert.deepEqual(runsOf('contested'), []);

    await restartWorkflow(stage.cluster, subject.name);
    const again = await subject.until((object) => stepOf(object, 'release').phase === 'succeeded', 'release');
    assert.notEqual(stepOf(again, 'release').id, stepOf(failed, 'release').id);
    assert.equal(runsOf('contested').length, 1);
  });
});

/** So that a status write that is about to come meets a newer object. */
async function changeMeanwhile(application: ObjectName): Promise<void> {
  const condition = { type: 'Meanwhile', status: 'True', reason: 'Any', lastTransitionTime: '2026-11-21T02:00:00Z' };
  await stage.cluster.jsonPatchStatus(application, [{ op: 'add', path: '/status/conditions/-', value: condition }]);
}
