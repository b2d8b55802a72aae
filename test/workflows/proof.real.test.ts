import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import type { ObjectName } from '../support/kubevela/cluster.ts';
import { addonDefinitions, ourDefinition } from '../support/kubevela/definitions.ts';
import type {
  Application,
  ApplicationSpec,
  KubernetesObject,
  WorkflowRun,
  WorkflowStep,
} from '../support/kubevela/objects.ts';
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
  const data = { tag: namespace, repository: 'acme/shop', workflow: 'release.yml' };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'shop' }, data };
  return stage.apply<Application>({
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'Application',
    metadata: { name: 'shop', namespace, annotations },
    spec: { components: [{ name: 'shop', type: 'k8s-objects', properties: { objects: [object] } }], workflow },
  });
}

const apply: WorkflowStep = { name: 'apply', type: 'apply-component', properties: { component: 'shop' } };
const fields = ['tag', 'repository', 'workflow'];
/** Hands on what the component holds. */
const read: WorkflowStep = {
  name: 'read',
  type: 'aftersync-read-object',
  properties: {
    kind: 'ConfigMap',
    name: 'shop',
    select: Object.fromEntries(fields.map((name) => [name, `.data.${name}`])),
  },
  outputs: fields.map((name) => ({ name, valueFrom: `output.${name}` })),
};

/** As the next version of the addon might bring it: another address, and another form of the inputs in the request. */
function upgraded(): string {
  const replacements = [
    ['"1.0.0"', '"1.1.0"'],
    ['http://aftersync.vela-system:8080', 'http://aftersync.vela-system:9090'],
    [
      '!= _|_ {(name): value}',
      '!= _|_ {(name): [if name == "inputs" {{for key, text in value {(key): "v\\(text)"}}}, value][0]}',
    ],
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
    await eventually(
      () => subject.read(),
      () => engine.calls.some(isUpgraded),
    );
    assert.equal(engine.calls.find(isUpgraded)?.statusCode, 200);
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
    const pending = release('contested', { inputs: [{ from: 'tag', parameterKey: 'inputs.version' }] });
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
    assert.equal(runsOf('vcontested').length, 1);
  });
});

/** So that a status write that is about to come meets a newer object. */
async function changeMeanwhile(application: ObjectName): Promise<void> {
  const condition = { type: 'Meanwhile', status: 'True', reason: 'Any', lastTransitionTime: '2026-11-21T02:00:00Z' };
  await stage.cluster.jsonPatchStatus(application, [{ op: 'add', path: '/status/conditions/-', value: condition }]);
}

/** A platform's own, with one parameter of its own. */
const smokeTest = `import (
	"encoding/json"
	"vela/builtin"
	"vela/http"
)

"smoke-test": {
	type:        "workflow-step"
	description: "Test a suite"
	attributes: {}
}

template: {
	call: http.#HTTPDo & {$params: {
		method: "PUT"
		url:    "http://aftersync.vela-system:8080/v1/executions/\\(context.stepSessionID)"
		request: {
			header: "Content-Type": "application/json"
			body: json.Marshal({
				step: "trigger-github-action"
				with: {repository: "acme/shop", workflow: "release.yml", ref: "main", inputs: version: parameter.suite}
				origin: {
					kind:      "Application"
					namespace: context.namespace
					name:      context.name
					step:      context.stepName
					sessionID: context.stepSessionID
				}
			})
		}
	}}
	if call.$returns != _|_ {
		refused: call.$returns.statusCode >= 400 && call.$returns.statusCode < 500
		answer: json.Unmarshal(call.$returns.body)
		state: [if (answer.state & string) != _|_ {answer.state}, ""][0]
		words: [if (answer.message & string) != _|_ {answer.message}, call.$returns.body][0]
		wait: builtin.#ConditionalWait & {$params: {continue: refused || state == "succeeded" || state == "failed", message: words}}
		if refused || state == "failed" {
			fail: builtin.#Fail & {$params: message: words}
		}
	}
	parameter: suite: string
}
`;

describe('what a workflow may look like', { concurrency: 3 }, () => {
  test('a definition of the platform that wraps a step of ours, where the configuration names it, and no other', async () => {
    const definitions = { ...addonDefinitions(), 'smoke-test': smokeTest, 'load-test': smokeTest };
    await stage.engineIn('wrapped', { definitions });
    const wrapped = (name: string, type: string): WorkflowStep => ({ name, type, properties: { suite: 'wrapped' } });
    const steps = [wrapped('smoke', 'smoke-test@v1.0.0'), wrapped('load', 'load-test')];
    const ended = await (await applyApplication('wrapped', { steps })).ended();
    assert.deepEqual(phasesOf(ended), { smoke: 'succeeded', load: 'failed' });
    assert.match(stepOf(ended, 'load').message ?? '', /of type "load-test".*kubevela\.definitions/);
    assert.equal(runsOf('wrapped').length, 1);
  });

  test('an external Workflow', async () => {
    await stage.engineIn('external');
    const workflow = { apiVersion: 'core.oam.dev/v1alpha1', kind: 'Workflow' };
    const metadata = { name: 'after', namespace: 'external' };
    await stage.cluster.put({ ...workflow, metadata, steps: [apply, release('external')] } as KubernetesObject);
    const subject = await applyApplication('external', { ref: 'after' });
    assert.deepEqual(phasesOf(await subject.ended()), { apply: 'succeeded', release: 'succeeded' });
    assert.equal(runsOf('external').length, 1);
  });

  for (const how of ['inline', 'by-reference'] as const) {
    test(`a WorkflowRun, ${how}`, async () => {
      const namespace = `run-${how}`;
      await stage.engineIn(namespace);
      const type = { apiVersion: 'core.oam.dev/v1alpha1', kind: 'WorkflowRun' };
      const steps = [release(namespace)];
      const metadata = { name: 'nightly', namespace };
      const workflow = { ...type, kind: 'Workflow', metadata: { ...metadata, name: 'after' }, steps };
      await stage.cluster.put(workflow as KubernetesObject);
      const spec = how === 'inline' ? { workflowSpec: { steps } } : { workflowRef: 'after' };
      const subject = await stage.apply<WorkflowRun>({ ...type, metadata, spec });
      assert.deepEqual(phasesOf(await subject.ended()), { release: 'succeeded' });
      assert.equal(runsOf(namespace).length, 1);
    });
  }

  test('steps of ours within a step-group', async () => {
    await stage.engineIn('group');
    const again = release('group', { name: 'again', dependsOn: ['release'] });
    const group: WorkflowStep = { name: 'all', type: 'step-group', subSteps: [read, release('group'), again] };
    const ended = await (await applyApplication('group', { steps: [apply, group] })).ended();
    assert.deepEqual(new Set(Object.values(phasesOf(ended))), new Set(['succeeded']));
    assert.equal(runsOf('group').length, 2);
  });

  test('definitions by their versions', async () => {
    await stage.engineIn('versions');
    const steps = [apply, read, release('versions')].map((step) =>
      step === apply ? step : { ...step, type: `${step.type}@v1.0.0` },
    );
    const ended = await (await applyApplication('versions', { steps })).ended();
    assert.equal(stepOf(ended, 'read').type, 'aftersync-read-object@v1.0.0');
    assert.deepEqual(phasesOf(ended), { apply: 'succeeded', read: 'succeeded', release: 'succeeded' });
    assert.equal(runsOf('versions').length, 1);
  });

  test('inputs that feed nested, quoted and indexed fields', async () => {
    await stage.engineIn('inputs');
    await stage.publish('/inputs', 'inputs');
    const quoted: WorkflowStep = {
      ...release('inputs'),
      name: 'quoted',
      // Without the key KubeVela would make a field of another name.
      properties: { ...release('inputs').properties, inputs: { version: 'replaced' } },
      inputs: [{ from: 'tag', parameterKey: 'inputs["version"]' }],
    };
    const nested: WorkflowStep = {
      ...release('inputs'),
      name: 'nested',
      properties: { ...release('inputs').properties, inputs: {} },
      inputs: [{ from: 'tag', parameterKey: 'inputs.version' }],
    };
    const indexed: WorkflowStep = {
      name: 'indexed',
      type: 'purge-cdn',
      properties: { tags: ['replaced', 'kept'] },
      inputs: [{ from: 'tag', parameterKey: 'tags[0]' }],
    };
    const ended = await (await applyApplication('inputs', { steps: [apply, read, quoted, nested, indexed] })).ended();
    assert.deepEqual(new Set(Object.values(phasesOf(ended))), new Set(['succeeded']));
    assert.equal(runsOf('inputs').length, 2);
    assert.equal(await stage.visit('/inputs'), 'miss');
  });

  test('a publishVersion, which another spec does not change', async () => {
    await stage.engineIn('published');
    const publish = (version: string) => ({ 'app.oam.dev/publishVersion': version });
    const subject = await applyApplication('published', { steps: [release('published')] }, publish('v1.4.0'));
    await subject.ended('v1.4.0');
    const edited = { workflow: { steps: [release('published', { name: 'later' })] } };
    await stage.cluster.mergePatch(subject.name, { spec: edited });
    await subject.until(({ metadata, status }) => status?.observedGeneration === metadata.generation);
    await stage.cluster.mergePatch(subject.name, { metadata: { annotations: publish('v1.5.0') } });
    assert.deepEqual(phasesOf(await subject.ended('v1.5.0')), { later: 'succeeded' });
    assert.equal(runsOf('published').length, 2);
  });

  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    test(`a revision with compression ${compression}`, async () => {
      const namespace = `compression-${compression}`;
      await stage.engineIn(namespace, { compression });
      // KubeVela compresses a revision when it comes back to it.
      const steps: WorkflowStep[] = [{ name: 'hold', type: 'suspend' }, release(namespace)];
      const subject = await applyApplication(namespace, { steps });
      await subject.until((object) => workflowOf(object).status === 'suspending');
      await resumeWorkflow(stage.cluster, subject.name);
      assert.deepEqual(phasesOf(await subject.ended()), { hold: 'succeeded', release: 'succeeded' });
      const type = { apiVersion: 'core.oam.dev/v1beta1', kind: 'ApplicationRevision' };
      const revision = await stage.cluster.get<Revision>({ ...type, name: 'shop-v1', namespace });
      assert.equal(revision?.spec.compression.type, compression === 'none' ? undefined : compression);
      assert.equal(runsOf(namespace).length, 1);
    });
  }

  test('an input may feed what decides whose rights are used only where the configuration lets it', async () => {
    await stage.engineIn('authority');
    const { workflow: _, ...rest } = release('authority').properties ?? {};
    const allowed = release('authority', {
      properties: rest,
      inputs: [{ from: 'workflow', parameterKey: 'workflow' }],
    });
    const denied = release('authority', {
      name: 'denied',
      inputs: [{ from: 'repository', parameterKey: 'repository' }],
      properties: { ...rest, workflow: 'release.yml' },
    });
    const steps = [apply, read, allowed, denied];
    const ended = await (await applyApplication('authority', { steps })).ended();
    assert.deepEqual([stepOf(ended, 'release').phase, stepOf(ended, 'denied').phase], ['succeeded', 'failed']);
    const key = 'kubevela.authorityFromInputs: ["trigger-github-action/repository"]';
    assert.ok(stepOf(ended, 'denied').message?.includes(key), stepOf(ended, 'denied').message);
    assert.equal(runsOf('authority').length, 1);
  });

  test("parameters that only our read-object knows, given to KubeVela's own: a Warning, and the workflow goes on", async () => {
    await stage.engineIn('built-in', { definitions: { ...addonDefinitions(), 'read-object': builtInReadObject } });
    const { properties = {} } = read;
    const misused: WorkflowStep = {
      name: 'misused',
      type: 'read-object',
      properties: { ...properties, waitFor: 'exists' },
    };
    const used: WorkflowStep = { name: 'used', type: 'read-object', properties: { kind: 'ConfigMap', name: 'shop' } };
    const steps = [apply, misused, used, { ...misused, name: 'ours', type: 'aftersync-read-object' }];
    const subject = await applyApplication('built-in', { steps });
    const ended = await subject.ended();
    assert.deepEqual(new Set(Object.values(phasesOf(ended))), new Set(['succeeded']));
    const warnings = await eventually(
      async () => {
        const events = await stage.cluster.list<Event>(
          { apiVersion: 'v1', kind: 'Event' },
          { namespace: 'built-in', labels: '' },
        );
        return events.filter(({ type }) => type === 'Warning');
      },
      ({ length }) => length > 0,
    );
    assert.deepEqual(
      warnings.map(({ reason, involvedObject }) => [reason, involvedObject.kind, involvedObject.uid]),
      [['BuiltInReadObject', 'Application', ended.metadata.uid]],
    );
    assert.match(warnings[0]?.message ?? '', /^step misused is run by KubeVela's own read-object/);
  });
});

interface Revision extends KubernetesObject {
  readonly spec: { readonly compression: { readonly type?: string } };
}

interface Event {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly kind: string; readonly uid: string };
}

/** What it would read does not matter here. */
const builtInReadObject = `"read-object": {
	type:        "workflow-step"
	description: "Read Kubernetes objects from cluster for your workflow steps"
	attributes: {}
}

template: {
	output: value: {}
	parameter: {
		kind: string
		name: string
		...
	}
}
`;
