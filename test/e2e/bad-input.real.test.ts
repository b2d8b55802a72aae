import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Json } from '../../src/core/json.ts';
import { type Cloudflare, startCloudflare } from '../support/cloudflare.ts';
import type { Fault } from '../support/github/faults.ts';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type RawAnswer, serveRawHttp } from '../support/raw-http.ts';
import { RealServer, type ServerAnswer, type ServerCall } from './real-server.ts';

const plan = [
  { status: 'in_progress', forMs: 200 },
  { status: 'completed', conclusion: 'success' },
];

/** The whole executor over providers that can be told to misbehave. */
async function openServer(t: TestContext, repositories: readonly string[] = ['acme/shop']) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's expressions look like that.
  const runName = 'smoke ${{ inputs.mark }}';
  const on = { workflow_dispatch: { inputs: { mark: {} } } };
  const gitHub = await startGitHubStandIn({
    repositories: repositories.map((fullName) => ({ fullName, workflows: [{ file: 'smoke.yml', plan, on, runName }] })),
  });
  t.after(() => gitHub.close());
  const cloudflare = await startCloudflare();
  t.after(() => cloudflare.close());
  let cacheAnswer: RawAnswer = { status: 200, reason: 'OK' };
  const cacheRequests: string[] = [];
  const cache = await serveRawHttp(async ({ method }) => {
    cacheRequests.push(method);
    return cacheAnswer;
  });
  t.after(() => cache.close());
  const server = await RealServer.inFolder(t, {
    token: `${STAND_IN_TOKEN}\n`,
    'cdn-token': `${cloudflare.token}\n`,
    'aftersync.yaml': `server: { address: "127.0.0.1:0" }
store: { path: ./store.db }
connections:
  - name: github
    type: github
    baseUrl: ${gitHub.url}
    auth: { tokenFile: ./token }
    sendTimeout: 1s
    discoverFor: 2s
    pollInterval: 100ms
  - name: cdn
    type: cloudflare
    default: true
    zone: ${cloudflare.zones[0].id}
    baseUrl: ${cloudflare.apiUrl}
    apiTokenFile: ./cdn-token
  - name: edge
    type: varnish
    endpoints: ["${cache.url}"]
`,
  });
  await server.start();
  const answerOfCache = (answer: RawAnswer): void => {
    cacheAnswer = answer;
  };
  return { server, gitHub, cloudflare, cacheRequests, answerOfCache };
}

const purge = (tag: string, more: object = {}) => ({ step: 'purge-cdn', with: { tags: [tag], ...more } });

const dispatch = (repository: string) => ({
  step: 'trigger-github-action',
  with: { repository, workflow: 'smoke.yml', ref: 'main', correlation: { input: 'mark' } },
});

async function put(server: RealServer, id: string, body: ServerCall['body']): Promise<void> {
  const { status, text } = await server.call('PUT', `/v1/executions/${id}`, { body: body ?? '' });
  assert.equal(status, 201, text);
}

/** How the execution ended, as `state reason`. */
async function endOf(server: RealServer, id: string): Promise<{ readonly end: string; readonly answer: ServerAnswer }> {
  const answer = await server.call('GET', `/v1/executions/${id}?wait=60s`);
  assert.equal(answer.status, 200);
  const { state, reason } = answer.json;
  return { end: `${state} ${reason ?? ''}`.trim(), answer };
}

/** Every fault is met with 4xx: the log, which tells of each 5xx and each crash, has neither. */
function assertNoFaultOfOurs({ written }: RealServer): void {
  assert.doesNotMatch(written, /a request failed|"status":"5\d\d"|"level":60/);
}

test('what a caller sends wrong is answered with what, where and what was expected, and leaves no execution', async (t) => {
  const { server, gitHub, cloudflare } = await openServer(t);
  const good = purge('shop');
  const cases: readonly {
    readonly what: string;
    readonly call: readonly [method: string, path: string, call?: ServerCall];
    readonly code: string;
    readonly says: RegExp;
    readonly places?: readonly string[];
  }[] = [
    {
      what: 'an unknown step',
      call: ['PUT', '/v1/executions/one', { body: { step: 'purge-cnd', with: {} } }],
      code: 'unknown-step',
      says: /no step "purge-cnd".*purge-cdn.*trigger-github-action/,
    },
    {
      what: 'wrong parameters, each named',
      call: ['PUT', '/v1/executions/one', { body: { step: 'purge-cdn', with: { tags: 'shop', sfot: true } } }],
      code: 'invalid-parameters',
      says: /\/with\/tags expected an array.*found "shop"/,
      places: ['/with/sfot', '/with/tags'],
    },
    {
      what: 'wrong parameters of the other step',
      call: ['PUT', '/v1/executions/one', { body: { step: 'trigger-github-action', with: { repository: 'shop' } } }],
      code: 'invalid-parameters',
      says: /\/with\/repository expected a repository such as acme\/shop, found "shop"/,
      places: ['/with/ref', '/with/repository', '/with/workflow'],
    },
    {
      what: 'wrong keys around the parameters',
      call: ['POST', '/v1/executions', { body: { ...good, timeout: 'soon', stpe: 1 } }],
      code: 'invalid-parameters',
      says: /\/timeout expected a duration such as 30s, 10m or 2h, found "soon"/,
      places: ['/stpe', '/timeout'],
    },
    {
      what: 'a body that is too large',
      call: ['PUT', '/v1/executions/one', { body: purge('a'.repeat(300_000)) }],
      code: 'body-too-large',
      says: /262144 bytes/,
    },
    {
      what: 'malformed JSON',
      call: ['PUT', '/v1/executions/one', { body: '{\n  "step": "purge-cdn",\n  "with": {,}\n}' }],
      code: 'malformed-json',
      says: /line 3, column 12/,
    },
    {
      what: 'bytes that are not UTF-8',
      call: ['PUT', '/v1/executions/one', { body: Uint8Array.of(0x7b, 0xff, 0x7d) }],
      code: 'malformed-json',
      says: /not UTF-8/,
    },
    {
      what: 'another content type',
      call: ['PUT', '/v1/executions/one', { body: 'step=purge-cdn', headers: { 'content-type': 'text/plain' } }],
      code: 'unsupported-media-type',
      says: /application\/json/,
    },
    ...['One', 'a_b', '-a', 'a'.repeat(64), 'a%2Fb', '%F0%9F%98%80', '%zz', 'x-mine'].map((id) => ({
      what: `the odd id ${id}`,
      call: ['PUT', `/v1/executions/${id}`, { body: good }] as const,
      code: 'invalid-id',
      says: /./,
    })),
    {
      what: 'an odd namespace',
      call: ['PUT', '/v1/executions/one?namespace=Team%20A', { body: good }],
      code: 'invalid-id',
      says: /namespace/,
    },
    {
      what: 'an unknown connection',
      call: ['PUT', '/v1/executions/one', { body: purge('shop', { connection: 'egde' }) }],
      code: 'unknown-connection',
      says: /egde.*cdn.*edge/,
    },
    {
      what: 'a connection of another family',
      call: ['PUT', '/v1/executions/one', { body: purge('shop', { connection: 'github' }) }],
      code: 'unknown-connection',
      says: /github/,
    },
  ];
  for (const { what, call, code, says, places } of cases) {
    const { json } = await server.call(...call);
    assert.equal(json.code, code, what);
    assert.match(String(json.detail), says, what);
    const found = ((json.errors ?? []) as { path: string }[]).map(({ path }) => path).sort();
    if (places !== undefined) assert.deepEqual(found, places, what);
  }
  assert.deepEqual((await server.call('GET', '/v1/executions?namespace=*')).json, { items: [] });
  assert.equal(gitHub.requests.length + cloudflare.requests.length, 0);
  assertNoFaultOfOurs(server);
});

test('the same id with another body is a conflict, and neither runs twice', async (t) => {
  const { server, cloudflare } = await openServer(t);
  await put(server, 'one', purge('first'));
  for (const body of [purge('second'), purge('first', { soft: true }), { ...purge('first'), timeout: '1m' }]) {
    const { status, json } = await server.call('PUT', '/v1/executions/one', { body });
    assert.equal(`${status} ${json.code}`, '409 id-conflict');
    assert.match(String(json.detail), /default\/one exists with another request \(step purge-cdn/);
  }
  const { end } = await endOf(server, 'one');
  assert.equal(end, 'succeeded');
  const reordered = '{ "with": { "tags": ["first"] },\n  "step": "purge-cdn" }';
  const { status, json } = await server.call('PUT', '/v1/executions/one', { body: reordered });
  assert.equal(`${status} ${json.state}`, '200 succeeded');
  assert.deepEqual(
    cloudflare.requests.map(({ body }) => JSON.parse(body)),
    [{ tags: ['first'] }],
  );
});

test('a configuration that is not YAML, or says what is not understood, is refused with its places', async (t) => {
  const server = await RealServer.inFolder(t, {
    'broken.yaml': 'server: { address: "127.0.0.1:0"\nstore: [',
    'wrong.yaml': 'server: { adress: "127.0.0.1:0" }\nconnections:\n  - name: edge\n    type: varnsh\n',
  });
  for (const [file, said] of [
    ['broken.yaml', /broken\.yaml:2:\d+: /],
    ['wrong.yaml', /wrong\.yaml:1:11: server\.adress.*did you mean address\?\n(.*\n)*.*wrong\.yaml:4:11: .*varnish/],
  ] as const) {
    const { exitCode, stderr } = await server.run('serve', '--config', file);
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, said);
    assert.doesNotMatch(stderr, /\n\s+at /);
  }
});

test('whatever GitHub answers to a dispatch, there is one run where it took it, and never a second', async (t) => {
  const kinds = ['html-200', 'broken-json-200', '200-with-error-inside', 'empty-200'] as const;
  const cases = kinds.flatMap((kind) => [true, false].map((accepted) => ({ kind, accepted })));
  const repositoryOf = ({ kind, accepted }: (typeof cases)[number]) => `acme/${kind}-${accepted ? 'taken' : 'not'}`;
  const { server, gitHub } = await openServer(t, cases.map(repositoryOf));
  await Promise.all(
    cases.map(async (fault, index) => {
      const repository = repositoryOf(fault);
      gitHub.fault('dispatch', { ...fault, when: ({ path }) => path.includes(`/${repository}/`) } satisfies Fault);
      await put(server, `case-${index}`, dispatch(repository));
      const { end, answer } = await endOf(server, `case-${index}`);
      assert.equal(end, fault.accepted ? 'succeeded' : 'failed Uncertain', `${repository}: ${answer.text}`);
      assert.equal(gitHub.dispatches(repository), fault.accepted ? 1 : 0, repository);
      assert.equal(requestsTo(gitHub, repository, 'dispatch'), 1, repository);
    }),
  );
  assertNoFaultOfOurs(server);
});

test('what GitHub answers to reads that cannot be understood is asked again, and starts nothing twice', async (t) => {
  const kinds = ['html-200', 'broken-json-200', '200-with-error-inside', 'empty-200'] as const;
  const repositories = kinds.map((kind) => `acme/${kind}`);
  const { server, gitHub } = await openServer(t, repositories);
  await Promise.all(
    kinds.map(async (kind, index) => {
      const repository = `acme/${kind}`;
      const faults = (['listWorkflowRuns', 'getRun'] as const).map((route) =>
        gitHub.fault(route, { kind, when: ({ path }) => path.includes(`/${repository}/`) }),
      );
      await put(server, `case-${index}`, dispatch(repository));
      const { end, answer } = await endOf(server, `case-${index}`);
      assert.equal(end, 'succeeded', `${repository}: ${answer.text}`);
      assert.deepEqual(
        faults.map(({ hits }) => hits),
        [1, 1],
      );
      assert.equal(gitHub.dispatches(repository), 1, repository);
    }),
  );
  assertNoFaultOfOurs(server);
});

test('whatever a CDN answers to a purge, it is repeated until it is known to be done, or fails and says why', async (t) => {
  const { server, cloudflare } = await openServer(t);
  for (const kind of ['html-200', 'broken-json-200', '500', 'reset'] as const) {
    cloudflare.failNext({ kind, applied: true });
    await put(server, `case-${kind}`, purge(kind));
    assert.equal((await endOf(server, `case-${kind}`)).end, 'succeeded', kind);
    assert.equal(purgesOf(cloudflare, kind), 2, kind);
  }
  cloudflare.failNext({ kind: 'failure-200' });
  await put(server, 'says-no', purge('says-no'));
  const { end, answer } = await endOf(server, 'says-no');
  assert.equal(end, 'failed EffectFailed');
  assert.match(JSON.stringify(answer.json.outputs), /Unable to purge/);
  assert.equal(purgesOf(cloudflare, 'says-no'), 1);
  assertNoFaultOfOurs(server);
});

test('a page of a cache that has no rules for purging is not taken for a purge', async (t) => {
  const { server, answerOfCache, cacheRequests } = await openServer(t);
  answerOfCache({ status: 200, reason: 'OK', headers: { 'content-type': 'text/html' }, body: '<p>Welcome' });
  await put(server, 'page', purge('shop', { connection: 'edge' }));
  const { end, answer } = await endOf(server, 'page');
  assert.equal(end, 'failed ConnectionFailed');
  assert.match(String(answer.json.message), /without x-purge: .*docs\/examples\/varnish\.vcl/);
  assert.deepEqual(cacheRequests, ['PURGEKEYS']);
  assertNoFaultOfOurs(server);
});

function requestsTo({ requests }: GitHubStandIn, repository: string, route: string): number {
  return requests.filter((request) => request.route === route && request.path.includes(`/${repository}/`)).length;
}

function purgesOf({ requests }: Cloudflare, tag: string): number {
  return requests.filter(({ body }) => ((JSON.parse(body) as { tags?: Json[] }).tags ?? []).includes(tag)).length;
}
