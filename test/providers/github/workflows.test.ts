import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HttpAnswer, HttpError } from '../../../src/core/connection.ts';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import type { GitHubClient } from '../../../src/providers/github/github-client.ts';
import { RunNotNamed } from '../../../src/providers/github/workflows.ts';
import type { Fault } from '../../support/github/faults.ts';
import { neverAborted, openGitHub } from './open-github.ts';

const smoke = { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main', inputs: {} };
const timeoutMs = 30_000;

async function failureOf(
  client: GitHubClient,
  change: Partial<typeof smoke> = {},
  limitMs = timeoutMs,
): Promise<Error> {
  try {
    await client.workflows.dispatch({ ...smoke, ...change }, limitMs);
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  assert.fail('expected a failure');
}

function isOpen(error: Error): boolean {
  return !(error instanceof NotSent) && !(error instanceof Rejected);
}

function jsonAnswer(status: number, body: unknown, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, text: JSON.stringify(body) };
}

describe('a dispatch', () => {
  it('gives the id and the page of the run that github.com names', async (t) => {
    const { standIn, client } = await openGitHub(t);
    const started = await client.workflows.dispatch(smoke, timeoutMs);
    const [run] = standIn.runs;
    assert.deepEqual(started, {
      runId: run?.id,
      runUrl: `${new URL(standIn.url).origin}/acme/shop/actions/runs/${run?.id}`,
    });
    assert.equal(client.workflows.namesRuns, true);
  });

  it('sends github.com the version header and no flag, and the token as it is', async (t) => {
    const { standIn, client } = await openGitHub(t);
    await client.workflows.dispatch(smoke, timeoutMs);
    const [request] = standIn.requests;
    assert.equal(request?.headers['x-github-api-version'], '2026-03-10');
    assert.equal(request?.headers.authorization, 'Bearer stand-in-token');
    assert.deepEqual(JSON.parse(request?.body ?? ''), { ref: 'main', inputs: {} });
  });

  it('sends an Enterprise Server the flag and no version header', async (t) => {
    const { standIn, client } = await openGitHub(t, { standIn: { ghes: '3.21' } });
    const started = await client.workflows.dispatch(smoke, timeoutMs);
    const [request] = standIn.requests;
    assert.equal(started.runId, standIn.runs[0]?.id);
    assert.equal(request?.headers['x-github-api-version'], undefined);
    assert.deepEqual(JSON.parse(request?.body ?? ''), { ref: 'main', inputs: {}, return_run_details: true });
  });

  it('is accepted without a run by Enterprise Server 3.20, which answers 204', async (t) => {
    const { standIn, client } = await openGitHub(t, { standIn: { ghes: '3.20' } });
    assert.ok((await failureOf(client)) instanceof RunNotNamed);
    assert.equal(standIn.dispatches(), 1);
    assert.equal(client.workflows.namesRuns, false);
  });

  it('is sent once more without the flag where a server refuses the flag, and later without asking', async (t) => {
    const { standIn, client } = await openGitHub(t, { standIn: { ghes: '3.20', runDetailsFlag: 'rejected' } });
    await failureOf(client);
    await failureOf(client);
    assert.equal(standIn.dispatches(), 2);
    assert.deepEqual(
      standIn.requests.map(({ body }) => 'return_run_details' in JSON.parse(body)),
      [true, false, false],
    );
  });

  it('is sent once more without the version header where a server does not know the version', async (t) => {
    const words = 'The version in the "X-GitHub-API-Version" request header is not a supported version.';
    const { standIn, client } = await openGitHub(t, {
      instead: ({ headers = {} }) =>
        'x-github-api-version' in headers ? jsonAnswer(400, { message: words }) : undefined,
    });
    assert.ok((await failureOf(client)) instanceof RunNotNamed);
    assert.equal(standIn.dispatches(), 1);
  });

  it('names the run by its id where the answer lacks its page', async (t) => {
    const { client } = await openGitHub(t, { instead: () => jsonAnswer(200, { workflow_run_id: 7 }) });
    const { runId, runUrl } = await client.workflows.dispatch(smoke, timeoutMs);
    assert.equal(runId, 7);
    assert.match(runUrl, /^http:\/\/127\.0\.0\.1:\d+\/acme\/shop\/actions\/runs\/7$/);
  });
});

describe('a dispatch that GitHub refuses is Rejected, with its words', () => {
  const input = { deploy: {} };
  const withInputs = {
    repositories: [
      {
        fullName: 'acme/shop',
        workflows: [
          { file: 'smoke.yml', on: { workflow_dispatch: { inputs: { target: { required: true } } } } },
          { file: 'push.yml', on: {} },
        ],
      },
    ],
  };
  const target = { target: 'x' };
  for (const [name, change, words] of [
    ['an unknown ref', { ref: 'nowhere', inputs: target }, /422 No ref found for: nowhere/],
    [
      'an input that the workflow lacks',
      { inputs: { ...target, ...input, deploy: 'x' } },
      /422 Unexpected inputs provided: \["deploy"\]/,
    ],
    ['a missing input', { inputs: {} }, /422 Required input 'target' not provided/],
    [
      'a workflow without the trigger',
      { workflow: 'push.yml' },
      /422 Workflow does not have 'workflow_dispatch' trigger/,
    ],
    ['an unknown workflow', { workflow: 'other.yml' }, /404 Not Found.*check the names.*Actions: write on acme\/shop/],
    ['an unknown repository', { repository: 'acme/other' }, /404 Not Found/],
  ] as const) {
    it(name, async (t) => {
      const { standIn, client } = await openGitHub(t, { standIn: withInputs });
      const error = await failureOf(client, change as Partial<typeof smoke>);
      assert.ok(error instanceof Rejected);
      assert.equal(error.reason, 'Rejected');
      assert.match(error.message, words);
      assert.equal(standIn.dispatches(), 0);
      assert.equal(standIn.requests.length, 1);
    });
  }

  it('a wrong token, as a failure of the connection that names the file', async (t) => {
    const { client } = await openGitHub(t, { token: 'wrong' });
    const error = await failureOf(client);
    assert.ok(error instanceof Rejected && error.reason === 'ConnectionFailed');
    assert.match(error.message, /refuses the token in \/etc\/aftersync\/github\/token \(401 Bad credentials\)/);
  });

  it('a token that may only read, as a failure of the connection that says what is needed', async (t) => {
    const tokens = [{ token: 'reader', login: 'octocat', actions: 'read' as const }];
    const { client } = await openGitHub(t, { token: 'reader', standIn: { tokens } });
    const error = await failureOf(client);
    assert.ok(error instanceof Rejected && error.reason === 'ConnectionFailed');
    assert.match(error.message, /403 Resource not accessible.*needs Actions: write on acme\/shop/);
  });

  it('a repository that has moved: the write is not repeated at its new place', async (t) => {
    let posts = 0;
    const { client } = await openGitHub(t, {
      instead: () => {
        posts += 1;
        return jsonAnswer(307, { message: 'Moved Permanently' }, { location: '/repositories/1/dispatches' });
      },
    });
    const error = await failureOf(client);
    assert.ok(error instanceof Rejected);
    assert.match(error.message, /has moved/);
    assert.equal(posts, 1);
  });
});

describe('a dispatch of unknown fate stays open and is not repeated', () => {
  const accepted = [
    'accept-then-502',
    'accept-then-reset',
    'accept-then-hang',
    'truncated-200',
    'html-200',
    'broken-json-200',
    '200-with-error-inside',
    'empty-200',
  ] as const;
  const refused = ['reject-502', 'reset-before', 'hang-before', '500'] as const;
  for (const kind of [...accepted, ...refused]) {
    it(kind, async (t) => {
      const { standIn, client } = await openGitHub(t);
      standIn.fault('dispatch', { kind } as Fault);
      // Long enough for the request to be sent, and to come, before it is over.
      const error = await failureOf(client, {}, kind.includes('hang') ? 1_000 : timeoutMs);
      assert.ok(isOpen(error), `${error}`);
      const isYes = ['html-200', 'broken-json-200', '200-with-error-inside', 'empty-200'].includes(kind);
      assert.equal(error instanceof RunNotNamed, isYes);
      assert.equal(standIn.requests.length, 1);
      assert.equal(standIn.dispatches(), (accepted as readonly string[]).includes(kind) ? 1 : 0);
    });
  }

  it('an answer whose id is no number', async (t) => {
    const { client } = await openGitHub(t, { instead: () => jsonAnswer(200, { workflow_run_id: null }) });
    assert.ok((await failureOf(client)) instanceof RunNotNamed);
  });

  it('a success whose content type is none', async (t) => {
    const instead = () => ({ status: 200, headers: { 'content-type': ';;' }, text: '{"workflow_run_id":7}' });
    const { client } = await openGitHub(t, { instead });
    const result = await client.workflows.dispatch(smoke, timeoutMs).catch((error: Error) => error);
    assert.ok(result instanceof Error ? isOpen(result) : result.runId === 7);
  });
});

describe('a dispatch that was certainly not sent', () => {
  it('is NotSent where the server cannot be reached', async (t) => {
    const { client } = await openGitHub(t, {
      instead: () => {
        throw new HttpError('POST https://api.github.com: getaddrinfo', { sent: false, code: 'ENOTFOUND' });
      },
    });
    const error = await failureOf(client);
    assert.ok(error instanceof NotSent);
    assert.equal(error.notBefore, undefined);
    assert.match(error.message, /cannot be reached.*ENOTFOUND/);
  });

  it('is NotSent where a server refuses connections', async (t) => {
    const { standIn, client } = await openGitHub(t);
    await standIn.close();
    assert.ok((await failureOf(client)) instanceof NotSent);
  });
});

describe('a rate limit', () => {
  for (const [name, fault, waitsMs] of [
    ['429 with retry-after', { kind: '429', retryAfterSeconds: 17 }, 17_000],
    ['429 without', { kind: '429', retryAfterSeconds: null }, 60_000],
    ['403 of the secondary limit with retry-after', { kind: '403-secondary', retryAfterSeconds: 30 }, 30_000],
    ['403 of the secondary limit known by its text alone', { kind: '403-secondary', retryAfterSeconds: null }, 60_000],
    ['403 of the primary limit, until its reset', { kind: '403-primary', resetInSeconds: 600 }, 600_000],
  ] as const) {
    it(`is NotSent before its end: ${name}`, async (t) => {
      const { standIn, clock, client } = await openGitHub(t);
      standIn.fault('dispatch', fault);
      const error = await failureOf(client);
      assert.ok(error instanceof NotSent);
      assert.equal(error.notBefore, clock.now() + waitsMs);
      assert.match(error.message, /rate limit/i);
    });
  }

  it('silences every call of the connection until then, and no longer', async (t) => {
    const { standIn, clock, client } = await openGitHub(t);
    standIn.fault('dispatch', { kind: '429', retryAfterSeconds: 17 });
    await failureOf(client);
    await assert.rejects(client.account.login(neverAborted), NotSent);
    assert.equal(standIn.requests.length, 1);
    clock.advance(17_000);
    await client.workflows.dispatch(smoke, timeoutMs);
    assert.equal(standIn.dispatches(), 1);
  });
});
