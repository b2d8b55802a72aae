import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, serveApi, success } from './served-api.ts';

test('a cancel is stored and answered 202, and the execution ends cancelled', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  await api.until('one', ({ status }) => status.state === 'running');
  const cancelled = await api.call('POST', '/v1/executions/one:cancel');
  assert.equal(cancelled.status, 202);
  assert.equal(cancelled.json.id, 'one');
  await api.ended('one');
  const { json } = await api.call('GET', '/v1/executions/one');
  assert.equal(json.state, 'cancelled');
  assert.equal(json.reason, 'Cancelled');
  const again = await api.call('POST', '/v1/executions/one:cancel');
  assert.equal(again.status, 409);
  assert.equal(codeOf(again), 'already-final');
  assert.equal(codeOf(await api.call('POST', '/v1/executions/none:cancel')), 'not-found');
});

test('a retry creates a new execution with the same request and says where it is', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one', { key: 'value' });
  assert.equal(codeOf(await api.call('POST', '/v1/executions/one:retry')), 'not-final');
  await api.goOn('one', success);
  const retried = await api.call('POST', '/v1/executions/one:retry');
  assert.equal(retried.status, 201);
  assert.equal(retried.json.id, 'one-r1');
  assert.equal(retried.headers.location, '/v1/executions/one-r1?namespace=default');
});

test("a workflow's execution is not retried here", async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const origin = { kind: 'Application', namespace: 'default', name: 'web', step: 'smoke', sessionID: 's' };
  await api.put('one', {}, { origin });
  const answer = await api.call('POST', '/v1/executions/one:retry');
  assert.equal(codeOf(answer), 'origin-owned');
  assert.match(String(answer.json.detail), /vela workflow restart web -n default/);
});

test('the catalogue names each step with its schemas', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const { json } = await api.call('GET', '/v1/steps');
  const items = json.items as { name: string; canPlan: boolean; params: { type: string } }[];
  assert.deepEqual(
    items.map(({ name, canPlan }) => [name, canPlan]),
    [
      ['toy', false],
      ['planned', true],
    ],
  );
  assert.equal(items[1]?.params.type, 'object');
});

test('a dry run answers the plan, or why there is none', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const plan = (step: string, body: object) => api.call('POST', `/v1/steps/${step}:plan`, { body });
  const planned = await plan('planned', { with: { tags: ['a'] } });
  assert.equal(planned.status, 200);
  assert.equal(planned.json.seconds, 1.5);
  assert.equal(codeOf(await plan('toy', { with: {} })), 'plan-not-supported');
  assert.equal(codeOf(await plan('none', { with: {} })), 'unknown-step');
  assert.equal(codeOf(await plan('planned', { with: {}, extra: 1 })), 'invalid-parameters');
  assert.equal(codeOf(await plan('planned', {})), 'invalid-parameters');
  const mistaken = await plan('planned', { with: { tags: [] } });
  assert.equal((mistaken.json.errors as { path: string }[])[0]?.path, '/with/tags');
});

test('each call asks for its own permission, before anything is looked up', async (t) => {
  const asked: string[] = [];
  const api = await serveApi(() => ({
    authenticate: () => ({
      name: 'ann',
      namespacesFor: () => [],
      may(verb, namespace) {
        asked.push(`${verb} ${namespace}`);
        return false;
      },
    }),
  }));
  t.after(api.close);
  await api.submit('there');
  const body = { step: 'toy', with: {} };
  for (const [method, path, verb, sent] of [
    ['PUT', '/v1/executions/there', 'create', body],
    ['POST', '/v1/executions', 'create', body],
    ['POST', '/v1/executions/there:cancel', 'update'],
    ['POST', '/v1/executions/there:retry', 'create'],
    ['POST', '/v1/steps/planned:plan', 'create', { with: {} }],
    ['GET', '/v1/executions/there', 'get'],
    ['GET', '/v1/executions/there?wait=1s', 'get'],
    ['GET', '/v1/executions/there/events', 'watch'],
    ['GET', '/v1/executions', 'list'],
    ['GET', '/v1/events', 'watch'],
  ] as const) {
    const answers = [];
    for (const id of ['there', 'none']) {
      const answer = await api.call(method, path.replace('there', id), sent === undefined ? {} : { body: sent });
      assert.equal(answer.status, 403, path);
      assert.match(String(answer.json.detail), new RegExp(`^ann may not ${verb} .*default`));
      answers.push(answer.text);
    }
    // What is there and what is not cannot be told apart.
    assert.equal(answers[0], answers[1], path);
    assert.equal(asked.at(-1), `${verb} default`, path);
  }
});
