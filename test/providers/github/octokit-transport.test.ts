import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { pino } from 'pino';
import { type HttpAnswer, HttpError, type HttpRequest } from '../../../src/core/connection.ts';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import { systemClock } from '../../../src/core/time.ts';
import { type Authentication, tokenAuthentication } from '../../../src/providers/github/authentication.ts';
import { type GitHubCall, OctokitTransport } from '../../../src/providers/github/octokit-transport.ts';
import { deepText } from './deep-text.ts';
import { openGitHub, shop } from './open-github.ts';

const canary = 'ghp_canaryCanaryCanary';
const baseUrl = 'http://127.0.0.1:1';
const getUser: GitHubCall = { method: 'GET', path: '/user', params: {}, timeoutMs: 1_000 };

function open(content: string | Error, answer: (request: HttpRequest) => HttpAnswer) {
  const requests: HttpRequest[] = [];
  const lines: string[] = [];
  const read = () => (content instanceof Error ? Promise.reject(content) : Promise.resolve(content));
  const transport = new OctokitTransport({
    baseUrl,
    authentication: tokenAuthentication({ path: '/token', read }),
    clock: systemClock,
    log: pino({ level: 'trace' }, { write: (line) => lines.push(line) }),
    async fetch(request) {
      requests.push(request);
      return answer(request);
    },
  });
  return { transport, requests, logged: () => lines.join('') };
}

function answering(status: number, text = '', headers: Record<string, string> = {}): () => HttpAnswer {
  return () => ({ status, headers: { 'content-type': 'application/json', ...headers }, text });
}

describe('a token that ends in a line break', () => {
  it('is trimmed before it is sent', async () => {
    const { transport, requests } = open(`${canary}\n`, answering(200, '{}'));
    await transport.send(getUser);
    assert.equal(requests[0]?.headers?.authorization, `Bearer ${canary}`);
  });

  it('is in no error or log line where no answer comes', async () => {
    const { transport, logged } = open(`${canary}\n`, () => {
      throw new HttpError('broken', { sent: true, code: 'UND_ERR_SOCKET' });
    });
    const error = await transport.send(getUser).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof HttpError);
    assert.doesNotMatch(deepText(error), /canary/i);
    assert.doesNotMatch(logged(), /canary/i);
  });

  it('is in no message of a client that it cannot use', async (t) => {
    const { client, logged } = await openGitHub(t, { token: `${canary}\r\n` });
    const dispatch = { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main', inputs: {} };
    const error = await client.workflows.dispatch(dispatch, 1_000).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof Rejected);
    assert.doesNotMatch(deepText(error), /canary/i);
    assert.doesNotMatch(logged(), /canary/i);
  });

  it('is refused where it is not one line, without showing it', async () => {
    const { transport, requests } = open(`${canary}\n${canary}`, answering(200));
    await assert.rejects(transport.send(getUser), (error: Error) => {
      assert.ok(error instanceof Rejected && error.reason === 'ConnectionFailed');
      assert.match(error.message, /token in \/token is not one line/);
      assert.doesNotMatch(deepText(error), /canary/i);
      return true;
    });
    assert.equal(requests.length, 0);
  });
});

describe('what never came to a request', () => {
  it('is NotSent: a token file that cannot be read', async () => {
    const { transport } = open(new Error('the credential file /token cannot be used'), answering(200));
    await assert.rejects(transport.send(getUser), (error: Error) => {
      assert.ok(error instanceof NotSent);
      assert.match(error.message, /\/token cannot be used/);
      return true;
    });
  });
});

describe('an answer', () => {
  for (const status of [200, 204, 304, 404, 500]) {
    it(`comes back as it is: ${status}`, async () => {
      const { transport } = open(canary, answering(status, status === 204 ? '' : '{"message":"x"}', { etag: '"1"' }));
      const answer = await transport.send(getUser);
      assert.equal(answer.status, status);
      assert.equal(answer.headers.etag, '"1"');
    });
  }

  it('is text where its JSON is broken', async () => {
    const { transport } = open(canary, answering(200, '{"a":'));
    assert.equal((await transport.send(getUser)).data, '{"a":');
  });

  it('that did not come is the HttpError of the wire', async () => {
    const failure = new HttpError('refused', { sent: false, code: 'ECONNREFUSED' });
    const { transport } = open(canary, () => {
      throw failure;
    });
    await assert.rejects(transport.send(getUser), failure);
  });
});

describe('a redirect', () => {
  it('of a read is followed once, within the server', async () => {
    const { transport, requests } = open(canary, ({ url }) =>
      String(url).endsWith('/moved') ? answering(200, '{"id":1}')() : answering(301, '', { location: '/moved' })(),
    );
    assert.deepEqual((await transport.send(getUser)).data, { id: 1 });
    assert.equal(requests.length, 2);
  });

  it('to another server is not followed: the token is not for it', async () => {
    const { transport, requests } = open(canary, answering(302, '', { location: 'http://127.0.0.2:1/' }));
    assert.equal((await transport.send(getUser)).status, 302);
    assert.equal(requests.length, 1);
  });

  it('of a write is not followed', async () => {
    const { transport, requests } = open(canary, answering(307, '', { location: '/moved' }));
    assert.equal((await transport.send({ ...getUser, method: 'POST' })).status, 307);
    assert.equal(requests.length, 1);
  });
});

describe('the log', () => {
  it('tells once that a call is deprecated, and the console is left alone', async (t) => {
    const warn = mock.method(console, 'warn', () => {});
    t.after(() => warn.mock.restore());
    const deprecated = answering(200, '{}', { deprecation: 'Tue, 10 Mar 2026 00:00:00 GMT', sunset: 'later' });
    const { transport, logged } = open(canary, deprecated);
    await transport.send(getUser);
    await transport.send(getUser);
    assert.equal(logged().match(/is deprecated/g)?.length, 1);
    assert.equal(warn.mock.callCount(), 0);
  });
});

describe('whoever authenticates', () => {
  it('is asked anew for each request, so that a renewed token is used', async (t) => {
    const { standIn } = await openGitHub(t, {
      standIn: {
        ...shop,
        tokens: [
          { token: 'first', login: 'a' },
          { token: 'second', login: 'b' },
        ],
      },
    });
    const tokens = ['first', 'second'];
    const authentication: Authentication = {
      description: 'an app',
      async credentials() {
        const secret = tokens.shift() ?? '';
        return { authorization: `Bearer ${secret}`, secret };
      },
    };
    const fetch = async ({ url, headers }: HttpRequest) => {
      const response = await globalThis.fetch(url, { headers: { ...headers } });
      return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
    };
    const transport = new OctokitTransport({
      baseUrl: standIn.url,
      authentication,
      fetch,
      clock: systemClock,
      log: pino({ level: 'silent' }),
    });
    const logins = [await transport.send(getUser), await transport.send(getUser)].map(
      ({ data }) => (data as { login: string }).login,
    );
    assert.deepEqual(logins, ['a', 'b']);
  });
});
