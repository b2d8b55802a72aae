import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { eventually } from '../support/eventually.ts';
import { withSubSteps } from '../support/kubevela/execute-workflow.ts';
import type { Application, Component, WorkflowRun, WorkflowStep } from '../support/kubevela/objects.ts';
import { stepsOf, type WorkflowEngine, type WorkflowEngineOptions } from '../support/kubevela/workflow-engine.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { configuration } from './executor.ts';
import { PurgeCounter } from './purge-counter.ts';
import { type ExecutionAnswer, Subject, WorkflowStage } from './stage.ts';

let purges: PurgeCounter;
let stage: WorkflowStage;
before(async () => {
  purges = await PurgeCounter.start();
  stage = await WorkflowStage.set({
    namespace: 'default',
    configure: (port, surroundings) =>
      configuration(
        port,
        { ...surroundings, cacheUrl: purges.url },
        {
          connections: `  - name: with-secrets
    type: kubernetes
    kubeconfigFile: ${surroundings.kubernetes.adminKubeconfigPath}
    allow: { namespaces: ["*"], secrets: ["*/*"] }
`,
        },
      ),
  });
  // Its runs are under way until a test ends them.
  stage.gitHub.workflow('acme/shop', 'acceptance.yml').plan = [{ status: 'in_progress' }];
});
after(async () => {
  await stage?.close();
  await purges?.close();
  assert.deepEqual(stage?.errors, []);
});

interface Ended extends ExecutionAnswer {
  readonly id: string;
}

/** What `report` and the like say is in their message; what a step of ours came to, in its execution. */
type Outcomes = Readonly<Record<string, Ended>>;

/** An Application `shop` in a namespace and an engine of its own. */
class Shop {
  readonly namespace: string;
  readonly engine: WorkflowEngine;
  readonly subject: Subject<Application>;

  private constructor(namespace: string, engine: WorkflowEngine) {
    this.namespace = namespace;
    this.engine = engine;
    const type = { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' };
    this.subject = new Subject(stage.cluster, { ...type, name: 'shop', namespace });
  }

  static async open(namespace: string, options: Partial<WorkflowEngineOptions> = {}): Promise<Shop> {
    return new Shop(namespace, await stage.engineIn(namespace, options));
  }

  /** Creates it, or makes another revision of it. */
  async declare(components: readonly Component[], steps: readonly WorkflowStep[]): Promise<void> {
    const { apiVersion, kind, name, namespace = '' } = this.subject.name;
    const applying = components.map(({ name: component }): WorkflowStep => {
      return { name: `apply-${component}`, type: 'apply-component', properties: { component } };
    });
    const spec = { components, workflow: { steps: [...applying, ...steps] } };
    if ((await stage.cluster.get(this.subject.name)) !== undefined) {
      await stage.cluster.mergePatch(this.subject.name, { spec });
    } else {
      await stage.cluster.create<Application>({ apiVersion, kind, metadata: { name, namespace }, spec } as Application);
    }
  }

  /** The same, to its end. */
  async run(components: readonly Component[], steps: readonly WorkflowStep[]): Promise<Outcomes> {
    await this.declare(components, steps);
    return this.outcomes();
  }

  async outcomes(): Promise<Outcomes> {
    const ended = await this.subject.until(
      ({ metadata, status }) =>
        status?.observedGeneration === metadata.generation && status?.workflow?.finished === true,
    );
    const all = withSubSteps(stepsOf(ended)).map(async ({ id = '', name, message = '' }) => {
      return [name, { id, message, ...(await stage.execution(id, this.namespace)) }] as const;
    });
    return Object.fromEntries(await Promise.all(all));
  }

  /** The runs that GitHub started for it. */
  get runs() {
    return stage.gitHub.runs.filter(
      ({ inputs }) => inputs.version === this.namespace || inputs.image === this.namespace,
    );
  }

  /** Ends the run as soon as GitHub has so many. */
  async endRun(number: number, conclusion = 'success'): Promise<void> {
    const id = await this.startedRun(number);
    stage.gitHub.setRun(id, { status: 'completed', conclusion });
  }

  async startedRun(number: number): Promise<number> {
    // Its runs are asked for again and again.
    await stage.gitHub.waitForRequest(() => this.runs.length >= number);
    return this.runs[number - 1]?.id ?? assert.fail('no run');
  }

  /** Calls of providers so far: of GitHub, and of the CDN. */
  get calls(): readonly [runs: number, purges: number] {
    return [this.runs.length, purges.callsFor(this.namespace)];
  }

  // Steps, each with a mark of this namespace by which its calls are known.

  read(more: JsonObject = {}): WorkflowStep {
    const properties = { kind: 'ConfigMap', name: 'web', select: { version: '.data.version' }, ...more };
    return { name: 'read', type: 'aftersync-read-object', properties };
  }

  smoke(more: JsonObject = {}): WorkflowStep {
    const inputs = { version: this.namespace };
    return trigger('smoke', { workflow: 'release.yml', inputs, ...more });
  }

  /** Under way until it is told to end. */
  acceptance(more: JsonObject = {}): WorkflowStep {
    return trigger('acceptance', { workflow: 'acceptance.yml', inputs: { image: this.namespace }, ...more });
  }

  purge(more: JsonObject = {}): WorkflowStep {
    return { name: 'purge', type: 'purge-cdn', properties: { tags: [this.namespace], ...more } };
  }
}

function trigger(name: string, properties: JsonObject): WorkflowStep {
  return { name, type: 'trigger-github-action', properties: { repository: 'acme/shop', ref: 'main', ...properties } };
}

/** Of the ConfigMap of its name alone. */
function component(name: string, version: string): Component {
  return componentOf(name, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { version } }]);
}

function componentOf(name: string, objects: Json): Component {
  return { name, type: 'k8s-objects', properties: { objects } };
}

const inParallel = (...subSteps: readonly WorkflowStep[]): WorkflowStep => ({
  name: 'all',
  type: 'step-group',
  subSteps,
});

const ours = ['read', 'smoke', 'purge'];

function assertUnchanged(outcomes: Outcomes, names: readonly string[] = ours): void {
  for (const name of names) {
    const { state, reason, outputs } = outcomes[name] ?? {};
    assert.deepEqual([name, state, reason, outputs?.changed], [name, 'succeeded', 'Unchanged', false]);
  }
}

function assertRan(outcomes: Outcomes, names: readonly string[] = ours): void {
  for (const name of names) {
    const { state, reason, outputs } = outcomes[name] ?? {};
    assert.deepEqual([name, state, reason, outputs?.changed], [name, 'succeeded', undefined, true]);
  }
}

describe('onChange', { concurrency: 3 }, () => {
  /** How each of the three says what is to have changed; the key comes from the step before. */
  const ways: Readonly<Record<string, { readonly onChange?: JsonObject; readonly inputs?: WorkflowStep['inputs'] }>> = {
    object: { onChange: { object: { kind: 'ConfigMap', name: 'web' }, fields: ['.data.version'] } },
    component: { onChange: { component: 'web' } },
    key: { inputs: [{ from: 'version', parameterKey: 'onChange.key' }] },
  };
  for (const [way, { onChange, inputs }] of Object.entries(ways)) {
    test(`${way}: each step runs when it has changed and only then, and tells what it was and is`, async () => {
      const shop = await Shop.open(way);
      const version = { ...shop.read(), name: 'version', outputs: [{ name: 'version', valueFrom: 'output.version' }] };
      const gate = onChange === undefined ? {} : { onChange };
      const all = [shop.read(gate), shop.smoke(gate), shop.purge(gate)];
      const steps = [version, ...all.map((step) => (inputs === undefined ? step : { ...step, inputs }))];

      const first = await shop.run([component('web', '1'), component('api', '1')], steps);
      assertRan(first);
      for (const name of ours) assert.equal(first[name]?.outputs?.oldValue, undefined);
      for (const api of ['2', '3']) {
        assertUnchanged(await shop.run([component('web', '1'), component('api', api)], steps));
      }
      assert.deepEqual(shop.calls, [1, 1]);

      const changed = await shop.run([component('web', '2'), component('api', '3')], steps);
      assertRan(changed);
      for (const name of ours) {
        const { oldValue, newValue } = changed[name]?.outputs ?? {};
        assert.deepEqual(oldValue, first[name]?.outputs?.newValue);
        assert.notDeepEqual(newValue, oldValue);
      }
      assert.deepEqual(shop.calls, [2, 2]);
    });
  }

  test('A, B which fails at its provider, A again: it runs', async () => {
    const shop = await Shop.open('failing');
    const steps = (key: string) => [
      inParallel(shop.acceptance({ onChange: { key } }), shop.purge({ onChange: { key } })),
    ];
    await shop.declare([], steps('A'));
    await shop.endRun(1);
    assertRan(await shop.outcomes(), ['acceptance', 'purge']);

    purges.refused.add(shop.namespace);
    await shop.declare([], steps('B'));
    await shop.endRun(2, 'failure');
    const failed = await shop.outcomes();
    assert.deepEqual([failed.acceptance?.reason, failed.purge?.reason], ['UnexpectedResult', 'EffectFailed']);

    purges.refused.delete(shop.namespace);
    await shop.declare([], steps('A'));
    await shop.endRun(3);
    assertRan(await shop.outcomes(), ['acceptance', 'purge']);
    assert.deepEqual(shop.calls, [3, 3]);
  });

  test('A, B which fails before anything is sent, A again: unchanged', async () => {
    const shop = await Shop.open('denied');
    const onChange = { key: 'A' };
    const good = [inParallel(shop.read({ onChange }), shop.smoke({ onChange }), shop.purge({ onChange }))];
    const components = [component('web', '1')];
    assertRan(await shop.run(components, good));
    const bad = inParallel(
      shop.read({ onChange, name: 'nowhere' }),
      shop.smoke({ onChange, repository: 'elsewhere/shop' }),
      shop.purge({ onChange, urls: ['https://elsewhere.example.com/'] }),
    );
    const failed = await shop.run(components, [bad]);
    assert.deepEqual(
      ours.map((name) => failed[name]?.reason),
      ['NotFound', 'Denied', 'Denied'],
    );
    assertUnchanged(await shop.run(components, good));
    assert.deepEqual(shop.calls, [1, 1]);
  });

  test('two revisions in flight, of which the older run ends last: the newer counts', async () => {
    const shop = await Shop.open('in-flight');
    const steps = (key: string) => [shop.acceptance({ onChange: { key } })];
    await shop.declare([component('web', '1')], steps('A'));
    const older = await shop.startedRun(1);
    await shop.declare([component('web', '1')], steps('B'));
    await shop.endRun(2);
    assertRan(await shop.outcomes(), ['acceptance']);
    stage.gitHub.setRun(older, { status: 'completed', conclusion: 'success' });

    assertUnchanged(await shop.run([component('web', '2')], steps('B')), ['acceptance']);
    await shop.declare([component('web', '2')], steps('A'));
    await shop.endRun(3);
    assertRan(await shop.outcomes(), ['acceptance']);
    assert.equal(shop.runs.length, 3);
  });

  test('two WorkflowRuns of one Workflow in flight, which end in reverse order: the newer counts', async () => {
    const shop = await Shop.open('runs');
    const { namespace } = shop;
    const type = { apiVersion: 'core.oam.dev/v1alpha1', kind: 'WorkflowRun' };
    const step = { ...shop.acceptance(), inputs: [{ from: 'context.colour', parameterKey: 'onChange.key' }] };
    await stage.cluster.put({
      ...type,
      kind: 'Workflow',
      metadata: { name: 'after', namespace },
      steps: [step],
    } as unknown as WorkflowRun);
    const begin = async (name: string, colour: string) => {
      const spec = { context: { colour }, workflowRef: 'after' };
      return stage.apply({ ...type, metadata: { name, namespace }, spec } as WorkflowRun);
    };
    const endOf = async (run: Subject<WorkflowRun>) => {
      const [{ id = '' } = {}] = stepsOf(await run.ended());
      return { acceptance: { id, ...(await stage.execution(id, namespace)) } };
    };
    const older = await begin('older', 'red');
    await shop.startedRun(1);
    const newer = await begin('newer', 'blue');
    await shop.endRun(2);
    assertRan(await endOf(newer), ['acceptance']);
    await shop.endRun(1);
    assertRan(await endOf(older), ['acceptance']);

    assertUnchanged(await endOf(await begin('same', 'blue')), ['acceptance']);
    const back = await begin('back', 'red');
    await shop.endRun(3);
    assertRan(await endOf(back), ['acceptance']);
  });

  test('an object that was made anew with the same content is another one', async () => {
    const shop = await Shop.open('object-anew');
    const object = { kind: 'ConfigMap', name: 'web' };
    const steps = [
      shop.read({ onChange: { object } }),
      shop.smoke({ onChange: { object, fields: ['.data.version'] } }),
      shop.purge({ onChange: { component: 'web' } }),
    ];
    const first = await shop.run([component('web', '1'), component('api', '1')], steps);
    assertRan(first);
    await stage.cluster.delete({ apiVersion: 'v1', kind: 'ConfigMap', name: 'web', namespace: shop.namespace });
    const again = await shop.run([component('web', '1'), component('api', '2')], steps);
    assertRan(again);
    for (const name of ours) assert.deepEqual(again[name]?.outputs?.newValue, first[name]?.outputs?.newValue);
    assert.deepEqual(shop.calls, [2, 2]);
  });

  test('an Application that was made anew remembers nothing', async () => {
    const shop = await Shop.open('application-anew');
    const onChange = { key: 'same' };
    const steps = [shop.read({ onChange }), shop.smoke({ onChange }), shop.purge({ onChange })];
    assertRan(await shop.run([component('web', '1')], steps));
    await stage.cluster.delete(shop.subject.name);
    await eventually(
      () => stage.cluster.get(shop.subject.name),
      (found) => found === undefined,
    );
    assertRan(await shop.run([component('web', '1')], steps));
    assert.deepEqual(shop.calls, [2, 2]);
  });

  test('a step whose parameters were edited runs', async () => {
    const shop = await Shop.open('edited');
    const onChange = { key: 'same' };
    const before = [shop.read({ onChange }), shop.smoke({ onChange }), shop.purge({ onChange })];
    const edited = [
      shop.read({ onChange, select: { all: '.data' } }),
      shop.smoke({ onChange, timeout: '1h' }),
      shop.purge({ onChange, tags: [shop.namespace, 'more'] }),
    ];
    const components = [component('web', '1')];
    assertRan(await shop.run(components, before));
    const after = await shop.run(components, edited);
    assertRan(after);
    assert.deepEqual(after.read?.outputs?.all, { version: '1' });
    assert.deepEqual(shop.calls, [2, 2]);
  });

  test('a step that is unchanged hands on the outputs of its last success', async () => {
    const shop = await Shop.open('outputs');
    const onChange = { key: 'same' };
    const steps: WorkflowStep[] = [
      { ...shop.read({ onChange }), outputs: [{ name: 'version', valueFrom: 'output.version' }] },
      { ...shop.smoke({ onChange }), outputs: [{ name: 'url', valueFrom: 'outputs.runUrl' }] },
      { ...report('version'), inputs: [{ from: 'version', parameterKey: 'message' }] },
      { ...report('url'), inputs: [{ from: 'url', parameterKey: 'message' }] },
    ];
    const first = await shop.run([component('web', '1')], steps);
    const later = await shop.run([component('web', '2')], steps);
    assertUnchanged(later, ['read', 'smoke']);
    assert.equal(later.version?.message, '1');
    assert.match(later.url?.message ?? '', /\/acme\/shop\/actions\/runs\/\d+$/);
    assert.equal(later.url?.message, first.url?.message);
  });

  test('whether it changed, from what and to what, can be handed on', async () => {
    const shop = await Shop.open('handed-on');
    const onChange = { object: { kind: 'ConfigMap', name: 'web' }, fields: ['.data.version'] };
    const value = (name: string) => `outputs.${name}[".data.version"]`;
    const steps: WorkflowStep[] = [
      {
        ...shop.purge({ onChange }),
        outputs: [
          { name: 'changed', valueFrom: 'outputs.changed' },
          { name: 'old', valueFrom: value('oldValue') },
          { name: 'new', valueFrom: value('newValue') },
        ],
      },
      {
        ...shop.acceptance({ waitFor: 'dispatched', inputs: { image: shop.namespace } }),
        if: 'inputs.changed && inputs.old != null',
        inputs: [{ from: 'changed' }, { from: 'old' }, { from: 'new', parameterKey: 'inputs.generation' }],
      },
      {
        ...report('was'),
        if: 'inputs.changed && inputs.old != null',
        inputs: [{ from: 'changed' }, { from: 'old', parameterKey: 'message' }],
      },
    ];
    await shop.run([component('web', '1'), component('api', '1')], steps);
    await shop.run([component('web', '1'), component('api', '2')], steps);
    assert.deepEqual(shop.calls, [0, 1]);
    const { was } = await shop.run([component('web', '2'), component('api', '2')], steps);
    assert.deepEqual(shop.calls, [1, 2]);
    assert.equal(was?.message, '1');
    assert.equal(shop.runs[0]?.inputs.generation, '2');
  });

  test('two Applications of one name in two namespaces have nothing to do with each other', async () => {
    const [here, there] = await Promise.all([Shop.open('here'), Shop.open('there')]);
    const steps = (shop: Shop) => [
      shop.read({ onChange: { key: 'same' } }),
      shop.smoke({ onChange: { object: { kind: 'ConfigMap', name: 'web' } } }),
      shop.purge({ onChange: { component: 'web' } }),
    ];
    const [one, other] = await Promise.all([
      here.run([component('web', '1'), component('api', '1')], steps(here)),
      there.run([component('web', '1'), component('api', '1')], steps(there)),
    ]);
    assertRan(one);
    assertRan(other);
    const [changed, same] = await Promise.all([
      here.run([component('web', '2'), component('api', '2')], steps(here)),
      there.run([component('web', '1'), component('api', '2')], steps(there)),
    ]);
    assertRan(changed, ['smoke', 'purge']);
    assertUnchanged(changed, ['read']);
    assertUnchanged(same);
    assert.deepEqual(
      [here.calls, there.calls],
      [
        [2, 2],
        [1, 1],
      ],
    );
  });

  test('of a component every object counts, Secrets where the connection may read them; nothing is told of these', async () => {
    const shop = await Shop.open('component-of-many');
    const web = (version: string, password: string) => {
      const metadata = { name: 'web' };
      const data = { password: Buffer.from(password).toString('base64') };
      return componentOf('web', [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { version } },
        { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 80 }] } },
        { apiVersion: 'v1', kind: 'Secret', metadata, data },
      ]);
    };
    const steps = [
      shop.purge({ onChange: { component: 'web' } }),
      shop.smoke({ onChange: { component: 'web', connection: 'with-secrets' } }),
    ];
    assertRan(await shop.run([web('1', 'first')], steps), ['purge', 'smoke']);
    const rotated = await shop.run([web('1', 'second')], steps);
    assertUnchanged(rotated, ['purge']);
    assertRan(rotated, ['smoke']);
    const { newValue } = rotated.smoke?.outputs ?? {};
    const names = ['ConfigMap', 'Secret', 'Service'].map((kind) => `${kind} ${shop.namespace}/web`);
    assert.deepEqual(Object.keys(newValue as JsonObject).sort(), names);
    assert.equal((newValue as JsonObject)[names[1] ?? ''], null);
    assertRan(await shop.run([web('2', 'second')], steps), ['purge', 'smoke']);
    assert.deepEqual(shop.calls, [3, 2]);
  });

  test('a step that is unchanged costs KubeVela two ticks and its provider no call', async () => {
    // Nobody asks but for our wakes.
    const shop = await Shop.open('cost', { clock: new ManualClock() });
    const onChange = { component: 'web' };
    const steps = [shop.read({ onChange }), shop.smoke({ onChange }), shop.purge({ onChange })];
    await shop.run([component('web', '1'), component('api', '1')], steps);
    const { length: before } = stage.gitHub.requests.filter(({ body }) => body.includes(shop.namespace));
    const later = await shop.run([component('web', '1'), component('api', '2')], steps);
    assertUnchanged(later);
    for (const name of ours) {
      const ticks = shop.engine.calls.filter(({ id }) => id === later[name]?.id);
      assert.deepEqual([name, ticks.length], [name, 2]);
    }
    assert.equal(stage.gitHub.requests.filter(({ body }) => body.includes(shop.namespace)).length, before);
    assert.deepEqual(shop.calls, [1, 1]);
  });
});

function report(name: string): WorkflowStep {
  return { name, type: 'print-message-in-status' };
}
