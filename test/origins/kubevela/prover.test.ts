import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import { digestOf, type JsonObject } from '../../../src/core/json.ts';
import type { ProofResult } from '../../../src/core/origin.ts';
import { kubeVelaObject } from '../../../src/origins/kubevela/origin-object.ts';
import {
  declaredSmoke,
  hash,
  ProofWorkbench,
  revisionSpec,
  type Scene,
  sessionID,
  smokeRequest,
  uid,
} from './proof-workbench.ts';

const unproven: ProofResult = { kind: 'unproven', message: 'waiting for KubeVela to record this step' };

function assertProven(result: ProofResult, originStep = `Application/${uid}/smoke`): void {
  assert.equal(result.kind, 'proven', 'message' in result ? result.message : '');
  assert.ok(result.kind === 'proven');
  assert.equal(result.originStep, originStep);
}

function assertDenied(result: ProofResult, message: string): void {
  assert.deepEqual(result, { kind: 'denied', message });
}

const smoke = 'step smoke of Application shop/web';

test('what a running step declares is proven, of the object that stands there', async () => {
  const bench = ProofWorkbench.withApplication();
  const { properties } = declaredSmoke;
  assert.deepEqual(await bench.prove(), {
    kind: 'proven',
    proof: { uid, declared: digestOf(properties), provenAt: bench.clock.now() },
    originStep: `Application/${uid}/smoke`,
  });
});

describe('the step must stand in the status and be in progress:', () => {
  const table: readonly (readonly [title: string, step: JsonObject, denied?: string])[] = [
    ['running', { phase: 'running', reason: undefined }],
    ['running after its executor was not reached', { phase: 'failed', reason: 'Execute' }],
    ['suspended, which changes nothing', { phase: 'suspending', reason: undefined }],
    ['succeeded', { phase: 'succeeded', reason: undefined }, 'has ended (succeeded), so that it asks for nothing'],
    ['failed', { phase: 'failed', reason: 'Action' }, 'has ended (Action), so that it asks for nothing'],
    [
      'given up',
      { phase: 'failed', reason: 'FailedAfterRetries' },
      'has ended (FailedAfterRetries), so that it asks for nothing',
    ],
    ['timed out', { phase: 'failed', reason: 'Timeout' }, 'has ended (Timeout), so that it asks for nothing'],
    ['terminated', { phase: 'failed', reason: 'Terminate' }, 'has ended (Terminate), so that it asks for nothing'],
    ['skipped', { phase: 'skipped', reason: 'Skip' }, 'has ended (Skip), so that it asks for nothing'],
  ];
  for (const [title, step, denied] of table) {
    test(title, async () => {
      const result = await ProofWorkbench.withApplication({ step }).prove();
      if (denied === undefined) assertProven(result);
      else assertDenied(result, `${smoke} ${denied}`);
    });
  }

  test('one that is pending, or whose status says nothing yet, is waited for', async () => {
    for (const phase of ['pending', 'failed', 'of a later KubeVela', undefined]) {
      assert.deepEqual(await ProofWorkbench.withApplication({ step: { phase, reason: undefined } }).prove(), unproven);
    }
  });

  test('a session that is not recorded yet, or no longer, is waited for', async () => {
    assert.deepEqual(await ProofWorkbench.withApplication({ step: { id: 'another0id' } }).prove(), unproven);
    assert.deepEqual(await ProofWorkbench.withApplication({ statusSteps: [] }).prove(), unproven);
  });

  test('what counts is the id under which it is recorded here', async () => {
    assert.deepEqual(await ProofWorkbench.withApplication().prove({ id: 'another0id' }), unproven);
  });

  test('a sub-step is found in its group, also where another one has its name', async () => {
    const group = { id: 'g0g0g0g0g0', name: 'checks', type: 'step-group', phase: 'running' };
    const running = { id: sessionID, name: 'smoke', type: 'trigger-github-action', phase: 'running' };
    const bench = ProofWorkbench.withApplication({
      statusSteps: [
        { ...running, id: 'o0o0o0o0o0' },
        { ...group, subSteps: [running] },
      ],
      declared: [
        { ...declaredSmoke, properties: { ref: 'other' } },
        { name: 'checks', type: 'step-group', subSteps: [declaredSmoke] },
      ],
    });
    assertProven(await bench.prove(), `Application/${uid}/checks/smoke`);
  });
});

describe('its type must be one of ours:', () => {
  const types = [
    'trigger-github-action',
    'trigger-github-action@v1.0.0',
    'aftersync-trigger-github-action',
    'aftersync-trigger-github-action@1',
  ];
  for (const type of types) {
    test(type, async () => {
      assertProven(await ProofWorkbench.withApplication({ step: { type } }).prove());
    });
  }

  for (const type of [
    'purge-cdn',
    'request',
    '',
    'aftersync',
    'x-trigger-github-action',
    'aftersync-aftersync-trigger-github-action',
  ]) {
    test(`not ${JSON.stringify(type)}`, async () => {
      assertDenied(
        await ProofWorkbench.withApplication({ step: { type } }).prove(),
        `${smoke} is of type ${JSON.stringify(type)}: trigger-github-action takes requests of trigger-github-action, ` +
          'aftersync-trigger-github-action and of the types that kubevela.definitions names for it',
      );
    });
  }

  const definitions = [{ type: 'smoke-test', step: 'trigger-github-action' }];
  const wrapped = {
    name: 'smoke',
    type: 'smoke-test',
    properties: { level: 3 },
    inputs: [{ from: 'x', parameterKey: 'repository' }],
  };

  test("of a platform's own definition the parameters are not compared, which are others", async () => {
    for (const type of ['smoke-test', 'smoke-test@v2.1.0']) {
      const bench = ProofWorkbench.withApplication({ step: { type }, declared: [wrapped] }, { definitions });
      const result = await bench.prove();
      assertProven(result);
      assert.equal(result.kind === 'proven' && result.proof.declared, digestOf({ level: 3 }));
    }
  });

  test('but it must be for this step, and be declared', async () => {
    const other = [{ type: 'smoke-test', step: 'purge-cdn' }];
    const scene = { step: { type: 'smoke-test' }, declared: [wrapped] };
    assert.equal((await ProofWorkbench.withApplication(scene, { definitions: other }).prove()).kind, 'denied');
    const undeclared = ProofWorkbench.withApplication({ ...scene, declared: [] }, { definitions });
    assertDenied(await undeclared.prove(), `${smoke} is not declared by its workflow`);
  });
});

describe('the declaration is that of the revision that runs:', () => {
  const elsewhere = { ...declaredSmoke, properties: { ...declaredSmoke.properties, ref: 'elsewhere' } };
  const workflow = { metadata: { name: 'release' }, steps: [declaredSmoke] };
  const referring = { spec: { components: [], workflow: { ref: 'release' } } };
  const proven: readonly (readonly [title: string, scene: Scene])[] = [
    ['plain', {}],
    ['packed with zstd', { compression: 'zstd' }],
    ['packed with gzip', { compression: 'gzip' }],
    ['with a Workflow by reference', { revisionSpec: { application: referring, workflow } }],
    [
      'with a Workflow by reference, packed',
      { revisionSpec: { application: referring, workflow }, compression: 'zstd' },
    ],
    [
      'by a publishVersion',
      { appRevision: 'v1.2', revisionMetadata: { annotations: { 'app.oam.dev/publishVersion': 'v1.2' } } },
    ],
    ['with the digest of what its charts take values from', { appRevision: 'web-v3-vf-0123456789ab' }],
    ['of an older KubeVela, known by its label', { revisionMetadata: { ownerReferences: [] } }],
  ];
  for (const [title, scene] of proven) {
    test(title, async () => assertProven(await ProofWorkbench.withApplication(scene).prove()));
  }

  test('the Workflow that is referred to outdoes what stands beside it', async () => {
    const revision = { application: { spec: { workflow: { ref: 'release', steps: [elsewhere] } } }, workflow };
    assertProven(await ProofWorkbench.withApplication({ revisionSpec: revision }).prove());
  });

  const waiting: readonly (readonly [title: string, scene: Scene])[] = [
    ['while the workflow is still that of an older revision', { appRevision: 'web-v2' }],
    ['while it is that of a revision with a longer number', { appRevision: 'web-v31' }],
    ['while no workflow has begun', { appRevision: '' }],
    [
      'while another publishVersion runs',
      { appRevision: 'v1.1', revisionMetadata: { annotations: { 'app.oam.dev/publishVersion': 'v1.2' } } },
    ],
    ['before the first revision', { latestRevision: null }],
    [
      'while the revision is not there',
      { latestRevision: { name: 'web-v4', revision: 4, revisionHash: hash }, appRevision: 'web-v4' },
    ],
    [
      'while the revision is that of an earlier Application',
      { revisionMetadata: { ownerReferences: [{ kind: 'Application', name: 'web', uid: 'another' }] } },
    ],
    [
      'for a revision without owner of another Application',
      {
        revisionMetadata: {
          ownerReferences: [],
          labels: { 'app.oam.dev/name': 'other', 'app.oam.dev/app-revision-hash': hash },
        },
      },
    ],
    [
      'while the revision is an earlier one of the same name',
      { revisionMetadata: { labels: { 'app.oam.dev/name': 'web', 'app.oam.dev/app-revision-hash': 'another' } } },
    ],
    [
      'for a revision whose name leads elsewhere',
      { latestRevision: { name: '..', revision: 3, revisionHash: hash }, appRevision: '..' },
    ],
  ];
  for (const [title, scene] of waiting) {
    test(`it is waited for ${title}`, async () => {
      assert.deepEqual(await ProofWorkbench.withApplication(scene).prove(), unproven);
    });
  }

  test('steps that KubeVela made up itself are none of ours', async () => {
    const revisionSpec = { application: { spec: { components: [{ name: 'web', type: 'webservice' }] } } };
    const statusSteps = [{ id: sessionID, name: 'web', type: 'apply-component', phase: 'running' }];
    const bench = ProofWorkbench.withApplication({ revisionSpec, statusSteps });
    assert.match(messageOf(await bench.proveFrom({ step: 'web' })), /is of type "apply-component"/);
  });

  test('it is read once, until a revision takes the place of one of its name', async () => {
    const bench = ProofWorkbench.withApplication();
    await bench.prove();
    assertProven(await bench.prove());
    const application = 'Application shop/web';
    assert.deepEqual(bench.reads, [application, 'ApplicationRevision shop/web-v3', application]);

    const labels = { 'app.oam.dev/name': 'web', 'app.oam.dev/app-revision-hash': 'next' };
    bench.stage({
      declared: [elsewhere],
      latestRevision: { name: 'web-v3', revision: 3, revisionHash: 'next' },
      revisionMetadata: { labels },
    });
    assert.match(messageOf(await bench.prove()), /\/ref is "elsewhere" in the declaration, "main" in the request$/);
  });

  test('one that is very large is not kept', async () => {
    const large = { name: 'large', type: 'apply-object', properties: { value: 'x'.repeat(100_000) } };
    const bench = ProofWorkbench.withApplication({ declared: [large, declaredSmoke] });
    await bench.prove();
    assertProven(await bench.prove());
    assert.equal(bench.reads.filter((read) => read.startsWith('ApplicationRevision')).length, 2);
  });

  const zstd = (data: string) => ({ compression: { type: 'zstd', data } });
  const unreadable: readonly (readonly [title: string, spec: JsonObject, why: RegExp])[] = [
    [
      'one that is packed to grow beyond 16 MiB',
      revisionSpec({ bomb: 'x'.repeat(17 * 1024 * 1024) }, 'zstd'),
      /larger than 16777216 bytes$/,
    ],
    ['the same with gzip', revisionSpec({ bomb: 'x'.repeat(17 * 1024 * 1024) }, 'gzip'), /larger than 16777216 bytes$/],
    ['one that is cut off', zstd('KLUv/QBY'), /cannot be read: /],
    [
      'one packed in a way unknown here',
      { compression: { type: 'brotli', data: 'AAAA' } },
      /its compression "brotli" is unknown$/,
    ],
    ['one that holds no object', zstd('KLUv/SAEIQAAbnVsbA=='), /what is compressed is no object$/],
  ];
  for (const [title, spec, why] of unreadable) {
    test(`${title} is denied`, async () => {
      const bench = ProofWorkbench.withApplication();
      bench.set(kubeVelaObject('ApplicationRevision', 'shop', 'web-v3'), {
        metadata: { name: 'web-v3', labels: { 'app.oam.dev/app-revision-hash': hash, 'app.oam.dev/name': 'web' } },
        spec,
      });
      await assert.rejects(bench.prove(), (error) => {
        assert.ok(error instanceof Rejected);
        assert.equal(error.reason, 'Denied');
        assert.match(error.message, /^ApplicationRevision web-v3 cannot be read: /);
        assert.match(error.message, why);
        return true;
      });
    });
  }
});

describe('a WorkflowRun', () => {
  const runUid = '1b1e9a0c-7f5e-4f0e-8f4a-0d6f4c1a2b3c';
  const origin = { kind: 'WorkflowRun', namespace: 'shop', name: 'nightly-7', step: 'smoke', sessionID } as const;
  const running = { id: sessionID, name: 'smoke', type: 'trigger-github-action', phase: 'running' };
  function withRun(spec: JsonObject, status: JsonObject = { steps: [running] }): ProofWorkbench {
    const bench = new ProofWorkbench();
    bench.set(kubeVelaObject('WorkflowRun', 'shop', 'nightly-7'), {
      metadata: { name: 'nightly-7', uid: runUid },
      spec,
      status,
    });
    return bench;
  }

  test('declares its steps itself', async () => {
    assertProven(
      await withRun({ workflowSpec: { steps: [declaredSmoke] } }).prove({ origin }),
      `WorkflowRun/${runUid}/smoke`,
    );
  });

  test('or by a Workflow, whose steps recur with each run', async () => {
    const bench = withRun({ workflowRef: 'nightly' });
    bench.set(kubeVelaObject('Workflow', 'shop', 'nightly'), { metadata: { name: 'nightly' }, steps: [declaredSmoke] });
    assertProven(await bench.prove({ origin }), 'Workflow/shop/nightly/smoke');
    const asked = { origin, with: { ...declaredSmoke.properties, ref: 'next' } };
    assert.match(
      messageOf(await bench.prove(asked)),
      /^step smoke of WorkflowRun shop\/nightly-7 asks for something else/,
    );
  });

  test('that has both declares them itself, as KubeVela reads it', async () => {
    const bench = withRun({ workflowRef: 'nightly', workflowSpec: { steps: [declaredSmoke] } });
    assertProven(await bench.prove({ origin }), `WorkflowRun/${runUid}/smoke`);
  });

  test('whose Workflow is not there is waited for', async () => {
    assert.deepEqual(await withRun({ workflowRef: 'nightly' }).prove({ origin }), unproven);
    assert.deepEqual(await withRun({}).prove({ origin }), unproven);
  });

  test("has its steps' status where an Application has none", async () => {
    const workflow = { appRevision: 'web-v3', steps: [running] };
    assert.deepEqual(
      await withRun({ workflowSpec: { steps: [declaredSmoke] } }, { workflow }).prove({ origin }),
      unproven,
    );
  });
});

describe('of what is forged, nothing is proven:', () => {
  const forged: readonly (readonly [
    title: string,
    (bench: ProofWorkbench) => Promise<ProofResult>,
    denied?: RegExp,
  ])[] = [
    ['another namespace', (bench) => bench.proveFrom({ namespace: 'other' })],
    ['no such Application', (bench) => bench.proveFrom({ name: 'nothing' })],
    ['an Application for a WorkflowRun', (bench) => bench.proveFrom({ kind: 'WorkflowRun' })],
    ['a stale session', (bench) => bench.prove({ id: 'stale00000' })],
    [
      'another step of the same workflow',
      (bench) => bench.proveFrom({ step: 'apply-web' }),
      /^step apply-web of .* has not this session, which is that of step smoke$/,
    ],
    [
      'the session of a step that has ended',
      (bench) => bench.prove({ id: 'a1b2c3d4e5', origin: { ...smokeRequest.origin, step: 'apply-web' } as never }),
      /has ended \(succeeded\)/,
    ],
    [
      'another step of ours under its session',
      (bench) => bench.prove({ step: 'purge-cdn', with: { everything: true } }),
      /is of type "trigger-github-action": purge-cdn takes/,
    ],
    [
      'a changed parameter',
      (bench) => bench.prove({ with: { ...declaredSmoke.properties, ref: 'evil' } }),
      /\/ref is "main" in the declaration, "evil" in the request$/,
    ],
    [
      'an added parameter',
      (bench) => bench.prove({ with: { ...declaredSmoke.properties, inputs: { sudo: 'yes' } } }),
      /\/inputs is nothing in the declaration, an object in the request$/,
    ],
    [
      'another connection',
      (bench) => bench.prove({ with: { ...declaredSmoke.properties, connection: 'prod' } }),
      /\/connection is nothing in the declaration, "prod" in the request$/,
    ],
    [
      'a longer time',
      (bench) => bench.prove({ timeout: '24h' }),
      /\/timeout is nothing in the declaration, "24h" in the request$/,
    ],
    [
      'another condition',
      (bench) => bench.prove({ onChange: { component: 'web' } }),
      /\/onChange is nothing in the declaration, an object in the request$/,
    ],
  ];
  for (const [title, ask, denied] of forged) {
    test(title, async () => {
      const result = await ask(ProofWorkbench.withApplication());
      if (denied === undefined) assert.deepEqual(result, unproven);
      else assert.match(messageOf(result), denied);
    });
  }

  test('what will be fed by the inputs of a step that is still pending', async () => {
    const declared = [{ ...declaredSmoke, inputs: [{ from: 'sha', parameterKey: 'ref' }] }];
    const asked = { with: { ...declaredSmoke.properties, ref: 'evil' } };
    const pending = { phase: 'pending', message: 'Pending on Input: sha' };
    assert.deepEqual(await ProofWorkbench.withApplication({ declared, step: pending }).prove(asked), unproven);
    assertProven(await ProofWorkbench.withApplication({ declared }).prove(asked));
  });

  for (const [step, type, field] of [
    ['trigger-github-action', 'trigger-github-action', 'repository'],
    ['trigger-github-action', 'trigger-github-action', 'workflow'],
    ['trigger-github-action', 'trigger-github-action', 'readyWhen.object.namespace'],
    ['read-object', 'aftersync-read-object', 'kind'],
    ['read-object', 'read-object', 'namespace'],
    ['purge-cdn', 'purge-cdn', 'connection'],
  ] as const) {
    test(`${field} of ${step} from an input, but by policy`, async () => {
      const scene = {
        step: { type },
        declared: [{ name: 'smoke', type, inputs: [{ from: 'x', parameterKey: field }] }],
      };
      const key = `${step}/${field.replaceAll('.', '/')}`;
      const message = messageOf(await ProofWorkbench.withApplication(scene).prove({ step, with: {} }));
      assert.ok(message.includes(`kubevela.authorityFromInputs: [${JSON.stringify(key)}]`), message);
      const allowed = ProofWorkbench.withApplication(scene, { authorityFromInputs: [key] });
      assertProven(await allowed.prove({ step, with: {} }));
    });
  }
});

test('a session that was proven with its first id is not with a second one', async () => {
  const bench = ProofWorkbench.withApplication();
  assertProven(await bench.prove());
  assert.deepEqual(await bench.prove({ id: 'second0000' }), unproven);
  bench.stage({ step: { id: 'second0000' } });
  assertProven(await bench.prove({ id: 'second0000' }));
  assert.deepEqual(await bench.prove(), unproven);
});

describe('our parameters on the built-in read-object', () => {
  const read = (type: string, properties: JsonObject) => ({ name: `of-${type}`, type, properties });
  const definition = (template: string) => ({ spec: { schematic: { cue: { template } } } });
  const builtIn = definition('import "vela/kube"\noutput: kube.#Read');
  const ours = definition('url: "http://aftersync.vela-system:8080"');
  function told(step: JsonObject, definitions: JsonObject): Scene {
    return {
      declared: [declaredSmoke, step],
      revisionSpec: {
        application: { spec: { workflow: { steps: [declaredSmoke, step] } } },
        workflowStepDefinitions: definitions,
      },
    };
  }

  test('are told of once for a revision', async () => {
    const scene = told(read('read-object', { name: 'web', waitFor: 'rolledOut' }), { 'read-object': builtIn });
    const bench = ProofWorkbench.withApplication(scene);
    await bench.prove();
    await bench.prove();
    assert.deepEqual(bench.misused, ['web: of-read-object']);
  });

  for (const [title, scene] of [
    ['its own parameters', told(read('read-object', { kind: 'Deployment', name: 'web' }), { 'read-object': builtIn })],
    [
      'our definition of the name',
      told(read('read-object', { name: 'web', waitFor: 'rolledOut' }), { 'read-object': ours }),
    ],
    [
      'our definition by its other name',
      told(read('aftersync-read-object', { select: {} }), { 'aftersync-read-object': ours }),
    ],
    [
      'another built-in, which has such parameters itself',
      told(read('request', { timeout: '3s' }), { request: builtIn }),
    ],
    ['a definition that is not recorded', told(read('read-object', { name: 'web', waitFor: 'rolledOut' }), {})],
  ] as const) {
    test(`are none with ${title}`, async () => {
      const bench = ProofWorkbench.withApplication(scene);
      assertProven(await bench.prove());
      assert.deepEqual(bench.misused, []);
    });
  }
});

describe('whether an origin exists', () => {
  test('is asked of the cluster each time', async () => {
    const bench = ProofWorkbench.withApplication();
    for (let round = 0; round < 2; round += 1)
      await bench.prover.assertExists({ ...smokeRequest.origin, step: 'any' } as never);
    assert.equal(bench.reads.length, 2);
  });

  for (const [title, origin] of [
    ['there is none of its name', { name: 'nothing' }],
    ['there is none in its namespace', { namespace: 'other' }],
    ['its kind is not installed', { kind: 'WorkflowRun' }],
    ['no object can have its name', { name: '..' }],
  ] as const) {
    test(`is denied where ${title}`, async () => {
      const bench = ProofWorkbench.withApplication();
      const named = { ...smokeRequest.origin, ...origin } as never;
      await assert.rejects(bench.prover.assertExists(named), { code: 'origin-missing', status: 403 });
      assert.equal(bench.reads.length, 'name' in origin && origin.name === '..' ? 0 : 1);
    });
  }

  for (const error of [new NotSent('the cluster cannot be reached'), new Rejected('ConnectionFailed', 'may not get')]) {
    test(`is left open where ${error.name}`, async () => {
      const bench = new ProofWorkbench({ client: { read: () => Promise.reject(error) } });
      const asked = bench.prover.assertExists(smokeRequest.origin as never);
      await assert.rejects(asked, { code: 'unavailable', status: 503, cause: error });
      await assert.rejects(bench.prove(), error);
    });
  }
});

function messageOf(result: ProofResult): string {
  return result.kind === 'denied' ? result.message : result.kind;
}
