import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { startGitHubStandIn } from '../support/github/stand-in.ts';
import { webhookDelivery } from '../support/github/webhook.ts';
import { listenOnLoopback } from '../support/listen.ts';
import { RealServer } from './real-server.ts';

/** Every secret of the run holds it, so that one search finds all of them. */
const canary = 'cAnArY7';
const gitHubToken = `ghp_${canary}GitHub`;
const apiToken = `${canary}Api`;
const webhookSecret = `${canary}Webhook`;

/** How a provider fails, and shows in its answer all that it was sent. */
const faults = [
  '200-html',
  '200-broken-json',
  '200-error-inside',
  '302',
  '400',
  '401',
  '403',
  '404',
  '422',
  '429',
  '500',
  'reset',
];
/** Its credential has a line break in the middle, which no header can carry. */
const unusable = 'unusable';

test('no secret of the executor gets into its log, answers, events, metrics, store, or what the command line says', async (t) => {
  const echo = await startEcho(t);
  const gitHub = await startGitHubStandIn({
    tokens: [{ token: gitHubToken, login: 'octocat' }],
    repositories: [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml', plan: [done] }] }],
  });
  t.after(() => gitHub.close());
  const server = await RealServer.inFolder(t, {
    'github-token': `${gitHubToken}\n`,
    'cdn-token': ` ${canary}Cdn \r\n\n`,
    'unusable-token': `${canary}First\n${canary}Second\n`,
    'webhook-secret': `${webhookSecret}\n`,
    tokens: `ci ${apiToken} *\n`,
    'api-token': `${apiToken}\n`,
    'other-token': `${canary}Other\n`,
    'aftersync.yaml': configuration(gitHub.url, echo),
  });
  await server.start();
  const headers = { authorization: `Bearer ${apiToken}` };
  const answers: string[] = [];
  const events = await fetch(`${server.url}/v1/events`, { headers });

  const call = async (method: string, path: string, options: Parameters<RealServer['call']>[2] = {}) => {
    const answer = await server.call(method, path, { headers, ...options });
    answers.push(answer.text);
    return answer;
  };
  const begin = async (id: string, body: object): Promise<void> => {
    const created = await call('PUT', `/v1/executions/${id}`, { body });
    assert.equal(created.status, 201, created.text);
  };
  const end = async (id: string): Promise<string> =>
    String((await call('GET', `/v1/executions/${id}?wait=60s`)).json.state);

  await begin('good', dispatchWith('github'));
  assert.equal(await end('good'), 'succeeded', 'the token is usable, and was used');
  await begin('late', { ...purgeWith('cdn-500'), timeout: '1500ms' });
  const faulty = [...faults, unusable].flatMap((fault) => [`github-${fault}`, `cdn-${fault}`]);
  await Promise.all(
    faulty.map(async (id) => {
      await begin(id, id.startsWith('cdn') ? purgeWith(id) : dispatchWith(id));
      // Until it tells what its provider has said, or why that was not asked.
      await eventually(
        () => call('GET', `/v1/executions/${id}`),
        ({ json: { message } }) => message !== 'accepted' && message !== 'started',
      );
      await call('POST', `/v1/executions/${id}:cancel`);
    }),
  );
  await Promise.all(['late', ...faulty].map(end));
  // Otherwise nothing was shown that could have leaked.
  for (const fault of faults) {
    assert.ok(echo.seen.has(`cdn-${fault}`) && echo.seen.has(`github-${fault}`), fault);
  }

  for (const authorization of [
    '',
    'Bearer',
    `Bearer ${canary}Wrong`,
    `Basic ${canary}Basic`,
    `Bearer ${apiToken} ${apiToken}`,
    `Bearer ${apiToken}, x`,
  ]) {
    assert.equal((await call('GET', '/v1/steps', { headers: { authorization } })).status, 401, authorization);
  }
  for (const path of ['/v1/executions?limit=500', '/v1/steps', '/metrics', '/openapi.json', '/v2'])
    await call('GET', path);
  await call('POST', '/v1/steps/purge-cdn:plan', { body: { with: { tags: ['shop'], connection: 'cdn-403' } } });
  for (const [secret, status] of [
    [webhookSecret, 204],
    [`${canary}Guess`, 401],
  ] as const) {
    assert.equal((await call('POST', '/v1/hooks/github', webhookDelivery(secret, 'ping', {}))).status, status);
  }
  await server.write('tokens', `ci ${apiToken}\n`);
  await untilWritten(server, 'the tokens file cannot be used', () => call('GET', '/v1/steps'));

  const said: string[] = [];
  for (const args of [
    ['list', '--token-file', 'other-token'],
    ['get', 'github-403', '--token-file', 'api-token'],
    ['get', 'github-403', '--token-file', 'unusable-token'],
    ['serve', '--config', 'tokens'],
  ]) {
    const { stderr } = await server.run(...args, ...(args[0] === 'serve' ? [] : ['--server', server.url]));
    said.push(stderr);
  }
  assert.equal(await server.stop('SIGTERM'), 0);
  const streamed = await events.text();
  assert.match(streamed, /"id":"cdn-403"/);
  assert.match(streamed, /you sent Bearer \[redacted\]/, 'what a provider says is passed on, without the credential');
  assert.match(server.written, /"level":20/, 'the log is as talkative as it can be');

  const places: Record<string, string> = {
    log: server.written,
    answers: answers.join('\n'),
    events: streamed,
    'command line': said.join('\n'),
  };
  const stored = (await readdir(server.folder)).filter((name) => name.startsWith('store.db'));
  assert.ok(stored.length > 0);
  for (const name of stored) places[name] = await readFile(join(server.folder, name), 'latin1');
  for (const [place, content] of Object.entries(places)) {
    const at = content.indexOf(canary);
    assert.equal(at, -1, `in ${place}: …${content.slice(Math.max(0, at - 300), at + 60)}…`);
  }
});

const done = { status: 'completed', conclusion: 'success' };

function purgeWith(connection: string) {
  return { step: 'purge-cdn', with: { tags: ['shop'], connection } };
}

function dispatchWith(connection: string) {
  return {
    step: 'trigger-github-action',
    with: { connection, repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
  };
}

function configuration(gitHubUrl: string, echo: Echo): string {
  const lines = (fault: string, credential: (usual: string) => string) => `
  - name: github-${fault}
    type: github
    baseUrl: ${echo.url}/github-${fault}
    auth: { tokenFile: ${credential('github-token')} }
    sendTimeout: 500ms
    discoverFor: 500ms
    pollInterval: 100ms
  - name: cdn-${fault}
    type: cloudflare
    zone: ${'ab'.repeat(16)}
    baseUrl: ${echo.url}/cdn-${fault}
    apiTokenFile: ${credential('cdn-token')}`;
  return `server: { address: "127.0.0.1:0" }
auth: { tokensFile: ./tokens }
store: { path: ./store.db }
log: { level: trace }
connections:
  - name: github
    type: github
    default: true
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: github-token }
    webhookSecretFile: webhook-secret
    pollInterval: 100ms${faults.map((fault) => lines(fault, (usual) => usual)).join('')}${lines(unusable, () => 'unusable-token')}
`;
}

interface Echo {
  readonly url: string;
  /** The first parts of the paths that were asked for with a credential. */
  readonly seen: ReadonlySet<string>;
}

/** Fails as the first part of the path says, and puts the credential that it was sent wherever an answer can hold it. */
async function startEcho(t: TestContext): Promise<Echo> {
  const seen = new Set<string>();
  const server = createServer((req, res) => {
    const [, name = ''] = (req.url ?? '').split('/');
    if (req.headers.authorization?.includes(canary)) seen.add(name);
    answer(req, res, name.replace(/^[a-z]+-/, ''));
  });
  const { url, close } = await listenOnLoopback(server);
  t.after(close);
  return { url, seen };
}

function answer(req: IncomingMessage, res: ServerResponse, fault: string): void {
  const shown = `you sent ${req.headers.authorization}`;
  if (fault === 'reset') return void req.socket.resetAndDestroy();
  // Not a number: where a redirect led to.
  const status = Number.parseInt(fault, 10) || 404;
  const error = { message: shown, errors: [{ code: 1, message: shown }], success: false };
  const isJson = fault !== '200-html';
  const body = isJson ? JSON.stringify(error) : `<p>${shown}`;
  res.writeHead(status, shown.replaceAll(/[^\w ]/g, ' '), {
    'content-type': isJson ? 'application/json' : 'text/html',
    'x-shown': shown,
    'x-github-request-id': shown,
    ...(status === 302 && { location: `/elsewhere?${new URLSearchParams({ shown })}` }),
    ...(status === 429 && { 'retry-after': shown }),
  });
  res.end(fault === '200-broken-json' ? body.slice(0, -1) : body);
}

async function untilWritten(server: RealServer, words: string, again: () => Promise<unknown>): Promise<void> {
  while (!server.written.includes(words)) await again();
}
