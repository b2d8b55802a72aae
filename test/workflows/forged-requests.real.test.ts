import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { JsonObject } from '../../src/core/json.ts';
import { eventually } from '../support/eventually.ts';
import type { StepStatus, WorkflowStep } from '../support/kubevela/objects.ts';
import { applicationName, assertDenied, ForgeryStage } from './forged-requests-stage.ts';

let stage: ForgeryStage;
before(async () => {
  stage = await ForgeryStage.set();
});
afterEach(() => stage.gitHub.reset());
after(() => stage.close());

const smoke: WorkflowStep = {
  name: 'smoke',
  type: 'trigger-github-action',
  properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};
const purge: WorkflowStep = { name: 'purge', type: 'purge-cdn', properties: { tags: ['shop'] } };
/** Its tag is what the step before it gives out. */
const tagged: WorkflowStep = { ...smoke, inputs: [{ from: 'tag', parameterKey: 'inputs.tag' }] };

/** Ten characters, as KubeVela's are. */
let sessions = 0;
function newSession(): string {
  sessions += 1;
  return `session${String(sessions).padStart(3, '0')}`;
}

function underWay(id: string, { name, type }: WorkflowStep = smoke): StepStatus {
  return { id, name, type, phase: 'running', reason: 'Wait' };
}

/** What KubeVela would ask for that step of the Application. */
function request(name: string, sessionID: string, origin: JsonObject = {}, params: JsonObject = {}): JsonObject {
  return {
    step: 'trigger-github-action',
    with: { ...smoke.properties, ...params },
    origin: { kind: 'Application', namespace: 'shop', name, step: 'smoke', sessionID, ...origin },
  };
}

const dispatches = () => stage.gitHub.requests.filter(({ route }) => route === 'dispatch');

test('the genuine request is served', async () => {
  const id = newSession();
  await stage.put({ name: 'genuine', declared: [smoke], steps: [underWay(id)] });
  assert.equal((await stage.ask(id, request('genuine', id))).status, 201);
  assert.equal((await stage.end(id)).state, 'succeeded');
  assert.equal(dispatches().length, 1);
});

describe('a forged request is denied, and no provider is called:', () => {
  afterEach(() => assert.deepEqual(stage.gitHub.requests, []));

  test('another namespace has no such Application: refused before it is recorded', async () => {
    const id = newSession();
    await stage.put({ name: 'here', declared: [smoke], steps: [underWay(id)] });
    const { status, code } = await stage.ask(id, request('here', id, { namespace: 'other' }));
    assert.deepEqual([status, code], [403, 'origin-missing']);
    assert.equal((await stage.read(id, 'other')).status, 404);
  });

  test('the Application of that name in another namespace has no such session: forgotten', async () => {
    const id = newSession();
    await stage.put({ name: 'both', declared: [smoke], steps: [underWay(id)] });
    await stage.put({ name: 'both', namespace: 'other', declared: [smoke], steps: [underWay(newSession())] });
    assert.equal((await stage.ask(id, request('both', id, { namespace: 'other' }))).status, 201);
    await stage.assertForgotten(id, 'other');
  });

  test('the step of one namespace is not recorded in another', async () => {
    const id = newSession();
    await stage.put({ name: 'apart', declared: [smoke], steps: [underWay(id)] });
    const { status, code } = await stage.ask(id, request('apart', id), '?namespace=other');
    assert.deepEqual([status, code], [422, 'invalid-parameters']);
    assert.equal((await stage.read(id, 'other')).status, 404);
  });

  test('an Application of another namespace, complete in itself, may not use the connection: Denied', async () => {
    const id = newSession();
    await stage.put({ name: 'stranger', namespace: 'other', declared: [smoke], steps: [underWay(id)] });
    await stage.ask(id, request('stranger', id, { namespace: 'other' }));
    assertDenied(await stage.end(id, 'other'), /connection github .*\bshop\b.* not other/);
  });

  test('the session is that of another step: Denied', async () => {
    const [id, smokeId] = [newSession(), newSession()];
    const steps = [underWay(smokeId), underWay(id, purge)];
    await stage.put({ name: 'wrong-step', declared: [smoke, purge], steps });
    await stage.ask(id, request('wrong-step', id));
    assertDenied(await stage.end(id), /has not this session, which is that of step purge/);
  });

  test('the session is that of a step of another type: Denied', async () => {
    const id = newSession();
    await stage.put({ name: 'wrong-type', declared: [purge], steps: [underWay(id, purge)] });
    await stage.ask(id, request('wrong-type', id, { step: 'purge' }));
    assertDenied(await stage.end(id), /is of type "purge-cdn": trigger-github-action takes requests of /);
  });

  test('the session is one of an earlier revision: forgotten', async () => {
    const id = newSession();
    await stage.put({ name: 'moved-on', declared: [smoke], steps: [underWay(id)] });
    await stage.stand({ name: 'moved-on' }, [underWay(newSession())]);
    await stage.ask(id, request('moved-on', id));
    await stage.assertForgotten(id);
  });

  for (const [what, params, words] of [
    ['another repository', { repository: 'acme/secrets' }, /\/repository/],
    ['a parameter more', { inputs: { tag: 'v2' } }, /\/inputs/],
    ['another ref', { ref: 'refs/heads/theirs' }, /\/ref/],
  ] as const) {
    test(`${what} than declared: Denied`, async () => {
      const id = newSession();
      const name = `changed-${id}`;
      await stage.put({ name, declared: [smoke], steps: [underWay(id)] });
      await stage.ask(id, request(name, id, {}, params));
      assertDenied(await stage.end(id), words);
    });
  }

  test('what an input is to feed, while the step is pending on it: forgotten', async () => {
    const id = newSession();
    const pending: StepStatus = { id, name: 'smoke', type: smoke.type, phase: 'pending' };
    await stage.put({ name: 'pending', declared: [tagged], steps: [pending] });
    await stage.ask(id, request('pending', id, {}, { inputs: { tag: 'theirs' } }));
    await stage.assertForgotten(id);
  });

  test('what an input is to feed, and then KubeVela begins the step with something else: Denied, both', async () => {
    const id = newSession();
    const pending: StepStatus = { id, name: 'smoke', type: smoke.type, phase: 'pending' };
    await stage.put({ name: 'contested', declared: [tagged], steps: [pending] });
    await stage.ask(id, request('contested', id, {}, { inputs: { tag: 'theirs' } }));
    // The first tick, whose status comes after it.
    const { status } = await stage.ask(id, request('contested', id, {}, { inputs: { tag: 'v2' } }));
    assert.equal(status, 200);
    await stage.stand({ name: 'contested' }, [underWay(id)]);
    assertDenied(await stage.end(id), /contested/);
  });

  test('what decides whose rights are used, though the workflow says that an input feeds it: Denied', async () => {
    const id = newSession();
    const fed = { ...smoke, inputs: [{ from: 'repository', parameterKey: 'repository' }] };
    await stage.put({ name: 'fed', declared: [fed], steps: [underWay(id)] });
    await stage.ask(id, request('fed', id, {}, { repository: 'acme/secrets' }));
    assertDenied(await stage.end(id), /has an input that feeds \/repository/);
  });

  for (const [how, ended] of [
    ['has succeeded', { phase: 'succeeded' }],
    ['has failed for good', { phase: 'failed', reason: 'FailedAfterRetries' }],
    ['was skipped', { phase: 'skipped', reason: 'Skip' }],
  ] as const) {
    test(`a step that ${how}: Denied`, async () => {
      const id = newSession();
      const name = `ended-${id}`;
      await stage.put({ name, declared: [smoke], steps: [{ id, name: 'smoke', type: smoke.type, ...ended }] });
      await stage.ask(id, request(name, id));
      assertDenied(await stage.end(id), /has ended/);
    });
  }

  test('no such Application: refused before it is recorded', async () => {
    const id = newSession();
    const { status, code } = await stage.ask(id, request('nobody', id));
    assert.deepEqual([status, code], [403, 'origin-missing']);
    assert.equal((await stage.read(id)).status, 404);
  });
});

test('a request that is repeated after its end, with the same words or with others, has no effect again', async () => {
  const id = newSession();
  await stage.put({ name: 'repeated', declared: [smoke], steps: [underWay(id)] });
  stage.gitHub.workflow('acme/shop', 'smoke.yml').plan = [{ status: 'in_progress' }];
  await stage.ask(id, request('repeated', id));
  await stage.gitHub.waitForRequest(({ route }) => route === 'dispatch');
  await stage.cluster.delete(applicationName('repeated'));
  const { state, reason } = await stage.end(id);
  assert.deepEqual([state, reason], ['cancelled', 'OriginGone']);
  for (const params of [{}, { ref: 'theirs' }]) {
    const { status, state } = await stage.ask(id, request('repeated', id, {}, params));
    assert.deepEqual([status, state], [200, 'cancelled']);
  }
  assert.equal(dispatches().length, 1);
});

test('KubeVela is not answered for a moment where it asks by a state from before the end that it has written', async () => {
  const id = newSession();
  await stage.put({ name: 'late', declared: [smoke], steps: [underWay(id)] });
  await stage.ask(id, request('late', id));
  assert.equal((await stage.end(id)).state, 'succeeded');
  assert.equal((await stage.ask(id, request('late', id))).status, 200);
  await stage.stand({ name: 'late' }, [{ ...underWay(id), phase: 'succeeded', reason: '' }]);
  const ask = () => stage.ask(id, request('late', id));
  const { code } = await eventually(ask, ({ status }) => status === 503);
  assert.equal(code, 'unavailable');
  stage.clock.advance(61_000);
  assert.equal((await ask()).status, 200);
});

describe('a superseded execution that waits for a rate limit never dispatches after its successor', () => {
  const retryAfterSeconds = 60;

  /** The session of a step whose dispatch was refused until later. */
  async function waitingForRateLimit(name: string): Promise<string> {
    stage.gitHub.fault('dispatch', { kind: '429', retryAfterSeconds });
    const id = newSession();
    await stage.put({ name, declared: [tagged], steps: [underWay(id, tagged)] });
    await stage.ask(id, request(name, id, {}, { inputs: { tag: 'old' } }));
    await eventually(
      () => stage.read(id),
      ({ message = '' }) => /rate limit/.test(message),
    );
    return id;
  }

  /** As the requests that reached GitHub, and what it made of them. */
  const tagsSent = () => dispatches().map(({ body, outcome }) => [JSON.parse(body).inputs.tag, outcome]);

  async function assertOnlyNewOne(old: string, id: string): Promise<void> {
    assert.equal((await stage.end(id)).state, 'succeeded');
    const { state, reason } = await stage.end(old);
    assert.deepEqual([state, reason], ['cancelled', 'Superseded']);
    stage.clock.advance(10 * retryAfterSeconds * 1_000);
    assert.equal((await stage.ask(old, request('any', old))).status, 409);
    assert.deepEqual(tagsSent(), [
      ['old', 429],
      ['new', 200],
    ]);
    assert.equal(stage.gitHub.runs.length, 1);
  }

  test('which waits for the same limit, and goes out when it ends', async () => {
    const old = await waitingForRateLimit('limited');
    const id = newSession();
    await stage.stand({ name: 'limited' }, [underWay(id, tagged)]);
    await stage.ask(id, request('limited', id, {}, { inputs: { tag: 'new' } }));
    await stage.end(old);
    await eventually(
      () => stage.read(id),
      ({ message = '' }) => /rate limit/.test(message),
    );
    stage.clock.advance(retryAfterSeconds * 1_000);
    await assertOnlyNewOne(old, id);
  });

  test('though the limit ends at the very moment at which the workflow begins anew', async () => {
    const old = await waitingForRateLimit('at-once');
    const id = newSession();
    await stage.stand({ name: 'at-once' }, [underWay(id, tagged)]);
    stage.clock.advance(retryAfterSeconds * 1_000);
    await stage.ask(id, request('at-once', id, {}, { inputs: { tag: 'new' } }));
    await assertOnlyNewOne(old, id);
  });
});
