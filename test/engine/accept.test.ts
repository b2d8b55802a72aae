import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@sinclair/typebox';
import type { ConnectionSettings } from '../../src/core/connection.ts';
import { NotSent, Rejected } from '../../src/core/effect.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { Problem, type ProblemCode } from '../../src/core/problem.ts';
import type { Outcome } from '../../src/core/step.ts';
import { openWorkbench, toyStep } from './workbench.ts';

const done = async (): Promise<Outcome> => ({ kind: 'succeeded', outputs: {} });

const strictStep = toyStep(done, {
  params: Type.Object(
    {
      urls: Type.Array(Type.String({ maxLength: 10 }), { minItems: 1 }),
      soft: Type.Optional(Type.Boolean({ default: false })),
    },
    { additionalProperties: false },
  ),
  check: (params) =>
    (params as { urls: string[] }).urls.includes('bad') ? [{ path: '/urls/0', message: 'is bad' }] : [],
});

async function problemOf(work: Promise<unknown>): Promise<Problem> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

for (const [name, body, code, places] of [
  ['no object', 7, 'invalid-parameters', ['']],
  ['no step', { with: {} }, 'invalid-parameters', ['/step']],
  ['an unknown step', { step: 'dance', with: {} }, 'unknown-step', []],
  ['an unknown key', { step: 'toy', with: { urls: ['a'] }, when: 'now' }, 'invalid-parameters', ['/when']],
  [
    'every mistake in the parameters',
    { step: 'toy', with: { urls: [7, 'far too long'], sofd: 1 } },
    'invalid-parameters',
    ['/with/sofd', '/with/urls/0', '/with/urls/1'],
  ],
  ['what the step itself finds', { step: 'toy', with: { urls: ['bad'] } }, 'invalid-parameters', ['/with/urls/0']],
  ['an odd duration', { step: 'toy', with: { urls: ['a'] }, timeout: 'soon' }, 'invalid-parameters', ['/timeout']],
  [
    'a timeout below a second',
    { step: 'toy', with: { urls: ['a'] }, timeout: '10ms' },
    'invalid-parameters',
    ['/timeout'],
  ],
  [
    'a timeout above 35 days',
    { step: 'toy', with: { urls: ['a'] }, timeout: '36d' },
    'invalid-parameters',
    ['/timeout'],
  ],
] as const satisfies readonly (readonly [string, unknown, ProblemCode, readonly string[]])[]) {
  test(`refuses ${name}, names the place, and records nothing`, async (t) => {
    const bench = await openWorkbench({ steps: [strictStep] });
    t.after(bench.close);
    const problem = await problemOf(bench.engine.accept({ namespace: 'default', id: 'one', caller: 'me', body }));
    assert.equal(problem.code, code);
    assert.deepEqual(problem.mistakes.map(({ path }) => path).sort(), [...places].sort());
    assert.equal(await bench.store.get({ namespace: 'default', id: 'one' }), undefined);
  });
}

test('the same request under the same id is the same execution, however its keys are ordered', async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(done)] });
  t.after(bench.close);
  const first = await bench.engine.accept({
    namespace: 'default',
    id: 'one',
    caller: 'me',
    body: { step: 'toy', with: { a: 1, b: 2 } },
  });
  const second = await bench.engine.accept({
    namespace: 'default',
    id: 'one',
    caller: 'me',
    body: { with: { b: 2, a: 1 }, step: 'toy' },
  });
  assert.deepEqual([first.created, second.created], [true, false]);
  const other = await bench.engine.accept({
    namespace: 'shop',
    id: 'one',
    caller: 'me',
    body: { step: 'toy', with: {} },
  });
  assert.equal(other.created, true, 'another namespace is another execution');
});

test('another request under the same id is a conflict', async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(done)] });
  t.after(bench.close);
  await bench.submit('one', { a: 1 });
  assert.equal((await problemOf(bench.submit('one', { a: 2 }))).code, 'id-conflict');
});

test("for a workflow's step the first record wins; another step or origin under its id is a conflict", async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(done), toyStep(done, { name: 'other' })] });
  t.after(bench.close);
  const origin = { kind: 'Application', namespace: 'default', name: 'shop', step: 'smoke', sessionID: 'one' };
  await bench.submit('one', { a: 1 }, { origin });
  const again = await bench.submit('one', { a: 2 }, { origin });
  assert.equal(again.created, false);
  assert.deepEqual(again.execution.request.with, { a: 1 });
  for (const more of [{ origin: { ...origin, name: 'else' } }, { origin, step: 'other' }, {}]) {
    assert.equal((await problemOf(bench.submit('one', { a: 1 }, more))).code, 'id-conflict');
  }
});

test('two submissions in one turn make one execution, and it advances once', async (t) => {
  let advances = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async () => {
        advances += 1;
        return done();
      }),
    ],
  });
  t.after(bench.close);
  const both = await Promise.all([bench.submit('one'), bench.submit('one')]);
  assert.deepEqual(both.map(({ created }) => created).sort(), [false, true]);
  await bench.ended('one');
  await bench.settled();
  assert.equal(advances, 1);
});

function connection(changes: Partial<ConnectionSettings>): ConnectionSettings {
  return {
    name: 'edge',
    type: 'cache',
    allow: { namespaces: ['default'] },
    isDefault: false,
    options: {},
    place: 'a.yaml:3',
    ...changes,
  };
}
const cacheType = {
  type: 'cache',
  family: 'cdn',
  options: Type.Object({}),
  allow: ['hosts'],
  open: () => ({}),
} as const;
const usingStep = (use: JsonObject) =>
  toyStep(done, { uses: () => [{ family: 'cdn', claims: { hosts: ['www.example.com'] }, ...use }] });

for (const [name, use, connections, expected] of [
  ['that is not there', { name: 'egde' }, [connection({})], /no cdn connection named egde; there are: edge/],
  ['when there is none', {}, [], /no cdn connection is configured/],
  [
    'when several are and none is the default',
    {},
    [connection({}), connection({ name: 'b' })],
    /none is the default; name one of: edge, b/,
  ],
] as const) {
  test(`refuses a connection ${name}`, async (t) => {
    const bench = await openWorkbench({ steps: [usingStep(use)], connectionTypes: [cacheType], connections });
    t.after(bench.close);
    const problem = await problemOf(bench.submit('one'));
    assert.equal(problem.code, 'unknown-connection');
    assert.match(problem.message, expected);
  });
}

for (const [name, allow, expected] of [
  [
    'namespace',
    { namespaces: ['shop-*'] },
    /edge \(a.yaml:3\) allows the namespaces shop-\*, not default; ask ops@example.com/,
  ],
  [
    'host',
    { namespaces: ['*'], hosts: ['*.example.org'] },
    /allows the hosts \*\.example\.org, not www\.example\.com; ask ops@/,
  ],
] as const) {
  test(`denies a ${name} that the connection does not allow, with rule, value and owner, and calls no step`, async (t) => {
    const bench = await openWorkbench({
      steps: [usingStep({})],
      connectionTypes: [cacheType],
      connections: [connection({ allow, owner: 'ops@example.com' })],
    });
    t.after(bench.close);
    await bench.submit('one');
    const { status } = await bench.ended('one');
    assert.deepEqual([status.state, status.reason], ['failed', 'Denied']);
    assert.match(status.message, expected);
    assert.equal(status.startedAt, undefined);
  });
}

for (const [name, refusal, code] of [
  ['whose connection is none', new Rejected('ConnectionFailed', 'no'), 'unknown-connection'],
  ['whose connection does not allow it', new Rejected('Denied', 'no'), 'forbidden'],
  ['that the provider cannot do', new Rejected('Rejected', 'no'), 'invalid-parameters'],
  ['about which a cluster had to be asked in vain', new NotSent('no'), 'unavailable'],
] as const) {
  test(`a plan of a step ${name} is a problem, and no fault of the server`, async (t) => {
    const plan = () => Promise.reject(refusal);
    const bench = await openWorkbench({ steps: [toyStep(done, { plan })] });
    t.after(bench.close);
    const problem = await problemOf(bench.engine.plan({ step: 'toy', namespace: 'default', with: {} }));
    assert.deepEqual([problem.code, problem.message], [code, 'no']);
  });
}

test('a retry is a new execution of the same request; asked twice while it runs, there is still one', async (t) => {
  const gate = Promise.withResolvers<void>();
  let turns = 0;
  const bench = await openWorkbench({
    steps: [
      toyStep(async ({ now }) => {
        turns += 1;
        if (turns === 1) return { kind: 'failed', reason: 'EffectFailed', message: 'no' };
        if (turns === 2) return { kind: 'waiting', message: 'w', until: now() + 1_000 };
        await gate.promise;
        return done();
      }),
    ],
  });
  t.after(bench.close);
  const key = { namespace: 'default', id: 'one' };
  await bench.submit('one', { a: 1 });
  await bench.ended('one');
  const retried = await bench.engine.retry(key, 'tester');
  assert.equal(retried.id, 'one-r1');
  assert.deepEqual(retried.request.with, { a: 1 });
  assert.equal((await bench.engine.retry(key, 'tester')).id, 'one-r1');
  assert.equal((await problemOf(bench.engine.retry({ ...key, id: 'one-r1' }, 'tester'))).code, 'not-final');
  gate.resolve();
  await bench.until('one-r1', ({ status }) => status.message === 'w');
  bench.clock.advance(1_000);
  await bench.ended('one-r1');
  assert.equal((await bench.engine.retry(key, 'tester')).id, 'one-r2');
});

test("a workflow's execution is not retried here: the problem names the command", async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(done)] });
  t.after(bench.close);
  const origin = { kind: 'Application', namespace: 'default', name: 'web', step: 'smoke', sessionID: 'one' };
  await bench.submit('one', {}, { origin });
  await bench.ended('one');
  const problem = await problemOf(bench.engine.retry({ namespace: 'default', id: 'one' }, 'tester'));
  assert.equal(problem.code, 'origin-owned');
  assert.match(problem.message, /vela workflow restart web -n default/);
});

test('a retry of a long id stays a DNS label', async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(done)] });
  t.after(bench.close);
  const id = 'a'.repeat(63);
  await bench.submit(id);
  await bench.ended(id);
  const { id: retried } = await bench.engine.retry({ namespace: 'default', id }, 'tester');
  assert.match(retried, /^a{50,}-[a-z2-7]{8}-r1$/);
  assert.equal(retried.length, 63);
});

test('two retries at once are one', async (t) => {
  const bench = await openWorkbench({ steps: [toyStep(done)] });
  t.after(bench.close);
  const key = { namespace: 'default', id: 'one' };
  await bench.submit('one');
  await bench.ended('one');
  const both = await Promise.all([bench.engine.retry(key, 'tester'), bench.engine.retry(key, 'tester')]);
  assert.deepEqual(
    both.map(({ id }) => id),
    ['one-r1', 'one-r1'],
  );
});

test('an execution of another request that has the id of a retry is not taken for one', async (t) => {
  const wait: Outcome = { kind: 'waiting', message: 'w', until: Number.MAX_SAFE_INTEGER };
  const bench = await openWorkbench({
    steps: [toyStep(async ({ execution }) => (execution.id === 'one' ? done() : wait))],
  });
  t.after(bench.close);
  await bench.submit('one', { a: 1 });
  await bench.ended('one');
  await bench.submit('one-r1', { a: 2 });
  const { id } = await bench.engine.retry({ namespace: 'default', id: 'one' }, 'tester');
  assert.equal(id, 'one-r2');
});
