import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { ManualClock } from '../manual-clock.ts';
import { ask, dispatch } from './ask.ts';
import type { StandInOptions } from './options.ts';
import type { RouteName } from './routes.ts';
import { startGitHubStandIn } from './stand-in.ts';

const repositories: StandInOptions['repositories'] = [
  { fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] },
  { fullName: 'acme/hidden' },
];

test('an Enterprise Server lives under /api/v3, tells its version and has no rate limit', async () => {
  await using standIn = await startGitHubStandIn({ repositories, ghes: '3.20' });
  assert.match(standIn.url, /\/api\/v3$/);
  const { headers } = await ask(standIn, 'getUser', { apiVersion: null });
  assert.equal(headers.get('x-github-enterprise-version'), '3.20.0');
  assert.equal(headers.has('x-ratelimit-limit'), false);
  assert.equal((await ask(standIn, 'rateLimit', { apiVersion: null })).body.message, 'Rate limiting is not enabled.');
  const outside = await fetch(standIn.url.replace('/api/v3', '/user'));
  assert.equal(outside.status, 401);
});

const ACCESS: readonly [title: string, route: RouteName, token: string, status: number, message?: string][] = [
  ['no token', 'getUser', '', 401, 'Requires authentication'],
  ['an unknown token', 'getUser', 'other', 401, 'Bad credentials'],
  ['a reader may read', 'listRuns', 'reader', 200],
  ['a reader may not dispatch', 'dispatch', 'reader', 403, 'Resource not accessible by personal access token'],
  [
    'an app without Contents may not send events',
    'repositoryDispatch',
    'app',
    403,
    'Resource not accessible by integration',
  ],
  ['an app may dispatch', 'dispatch', 'app', 200],
  ['an app is no user', 'getUser', 'app', 403, 'Resource not accessible by integration'],
  ['what a token cannot see does not exist', 'getRepository', 'stranger', 404, 'Not Found'],
  ['nor can it be dispatched', 'dispatch', 'stranger', 404, 'Not Found'],
];

const BODIES: Readonly<Partial<Record<RouteName, object>>> = {
  dispatch: { ref: 'main' },
  repositoryDispatch: { event_type: 'deployed' },
};

for (const [title, route, token, status, message] of ACCESS) {
  test(`access: ${title}`, async () => {
    const tokens = [
      { token: 'reader', login: 'mona', actions: 'read', contents: 'none' },
      { token: 'app', login: 'shop-bot[bot]', kind: 'app', contents: 'read' },
      { token: 'stranger', login: 'eve', repositories: ['acme/hidden'] },
    ] as const;
    await using standIn = await startGitHubStandIn({ repositories, tokens });
    const reply = await ask(standIn, route, { token, body: BODIES[route] });
    assert.equal(reply.status, status);
    assert.equal(reply.body.message, message);
    assert.equal(standIn.dispatches(), route === 'dispatch' && status === 200 ? 1 : 0);
  });
}

test('a token may also be sent as `token …`; a request without a user agent is forbidden', async () => {
  await using standIn = await startGitHubStandIn();
  const authorization = 'token stand-in-token';
  assert.equal((await ask(standIn, 'getUser', { headers: { authorization } })).body.login, 'octocat');
  const { statusCode } = await request(`${standIn.url}/user`, { headers: { authorization } });
  assert.equal(statusCode, 403);
});

test('what the stand-in does not know is not found', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  assert.equal((await ask(standIn, 'getRun', { with: { run_id: 1 } })).status, 404);
  const headers = { authorization: 'Bearer stand-in-token' };
  assert.equal((await fetch(`${standIn.url}/repos/acme/shop/issues`, { headers })).status, 404);
  assert.equal((await fetch(`${standIn.url}/user`, { method: 'POST', headers })).status, 404);
});

test('an unchanged answer is a 304 without a body, which costs nothing', async () => {
  await using standIn = await startGitHubStandIn({ repositories });
  const at = { with: { run_id: await dispatch(standIn) } };
  const first = await ask(standIn, 'getRun', at);
  const etag = first.headers.get('etag') ?? '';
  assert.match(etag, /^W\/"[0-9a-f]+"$/);
  const usedBefore = first.headers.get('x-ratelimit-used');

  const again = await ask(standIn, 'getRun', { ...at, headers: { 'if-none-match': `"other", ${etag}` } });
  assert.deepEqual([again.status, again.text, again.headers.get('etag')], [304, '', etag]);
  assert.equal(again.headers.get('x-ratelimit-used'), usedBefore);

  standIn.setRun(at.with.run_id, { status: 'in_progress' });
  const changed = await ask(standIn, 'getRun', { ...at, headers: { 'if-none-match': etag } });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.get('etag'), etag);
});

test('an ETag differs per token, and without a valid token there is no 304', async () => {
  const tokens = ['one', 'two'].map((token) => ({ token, login: 'octocat' }));
  await using standIn = await startGitHubStandIn({ repositories, tokens });
  const etag = (await ask(standIn, 'getWorkflow', { token: 'one' })).headers.get('etag') ?? '';
  const headers = { 'if-none-match': etag };
  assert.equal((await ask(standIn, 'getWorkflow', { token: 'one', headers })).status, 304);
  assert.equal((await ask(standIn, 'getWorkflow', { token: 'two', headers })).status, 200);
  assert.equal((await ask(standIn, 'getWorkflow', { token: 'bad', headers })).status, 401);
});

test('answers tell the server time and the budget; asking for the budget is free', async () => {
  const clock = new ManualClock();
  await using standIn = await startGitHubStandIn({ repositories, clock, requestsPerHour: 2 });
  const { headers } = await ask(standIn, 'getUser');
  assert.equal(headers.get('date'), 'Sat, 21 Nov 2026 02:00:00 GMT');
  assert.equal(headers.get('x-ratelimit-limit'), '2');
  assert.equal(headers.get('x-ratelimit-remaining'), '1');
  assert.equal(headers.get('x-ratelimit-reset'), String((clock.now() + 3_600_000) / 1000));
  for (const _ of [1, 2]) assert.equal((await ask(standIn, 'rateLimit')).body.resources.core.used, 1);
  const old = await ask(standIn, 'rateLimit', { apiVersion: null });
  assert.equal(old.body.rate.used, 1);
});

test('a spent budget forbids everything until the hour is over, per token', async () => {
  const clock = new ManualClock();
  const tokens = ['one', 'two'].map((token) => ({ token, login: 'octocat' }));
  await using standIn = await startGitHubStandIn({ repositories, clock, tokens, requestsPerHour: 1 });
  await ask(standIn, 'getUser', { token: 'one' });
  const spent = await ask(standIn, 'dispatch', { token: 'one', body: { ref: 'main' } });
  assert.equal(spent.status, 403);
  assert.match(spent.body.message, /^API rate limit exceeded/);
  assert.equal(spent.headers.get('x-ratelimit-remaining'), '0');
  assert.equal(standIn.dispatches(), 0);
  assert.equal((await ask(standIn, 'getUser', { token: 'two' })).status, 200);
  clock.advance(3_600_000);
  assert.equal((await ask(standIn, 'getUser', { token: 'one' })).status, 200);
});
