import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, test } from 'node:test';
import type { ExecutionAnswer } from '../../src/cli/answers.ts';
import { RestClient } from '../../src/cli/rest-client.ts';
import { type Listening, listenOnLoopback } from '../support/listen.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';

const identity = { namespace: undefined, id: undefined, key: undefined };
const request = { step: 'toy', with: {} };

let listening: Listening | undefined;
afterEach(() => listening?.close());

/** What a server of this behaviour was asked, while it is asked. */
async function serve(answer: (req: IncomingMessage, res: ServerResponse, count: number) => void) {
  const requests: IncomingMessage[] = [];
  listening = await listenOnLoopback(
    createServer((req, res) => {
      requests.push(req);
      req.resume().once('end', () => answer(req, res, requests.length));
    }),
  );
  return { client: new RestClient({ server: listening.url }), requests, url: listening.url };
}

function execution(state: ExecutionAnswer['state'], message: string): ExecutionAnswer {
  return {
    namespace: 'default',
    id: 'smoke',
    step: 'toy',
    state,
    message,
    outputs: {},
    createdAt: '2026-01-01T00:00:00Z',
    deadline: '2026-01-01T01:00:00Z',
    attempts: 0,
    effects: [],
  };
}

function sendJson(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

/** Begins an event stream with these records. */
function sendEvents(res: ServerResponse, ...records: readonly ExecutionAnswer[]): void {
  res.writeHead(200, { 'Content-Type': 'text/event-stream' });
  for (const record of records) res.write(`event: execution\ndata: ${JSON.stringify(record)}\n\n`);
}

describe('a request whose answer is lost', () => {
  test('is sent again as the same request, so that it starts nothing twice', async () => {
    const { client, requests } = await serve((_req, res, count) => {
      if (count < 3) res.destroy();
      else sendJson(res, 201, execution('pending', 'accepted'));
    });
    assert.equal((await client.submit(request, identity)).id, 'smoke');
    const keys = requests.map(({ headers }) => headers['idempotency-key']);
    assert.equal(keys.length, 3);
    assert.equal(new Set(keys).size, 1);
    assert.match(String(keys[0]), /^[0-9a-f-]{36}$/);
  });

  test('is given up after three times', async () => {
    const { client, requests, url } = await serve((_req, res) => res.destroy());
    await assert.rejects(client.submit(request, identity), {
      name: 'ServerUnreachable',
      exitCode: 1,
      message: `no answer from ${url}: the connection broke off (UND_ERR_SOCKET)`,
    });
    assert.equal(requests.length, 3);
  });
});

test('a token file with more than a token is refused without showing what is in it', async () => {
  const token = { path: '/tokens', read: async () => 's3cret\ns3cret' };
  const client = new RestClient({ server: 'http://127.0.0.1:1', token });
  await assert.rejects(client.steps(), {
    exitCode: 2,
    message: 'the file /tokens does not hold one token and nothing else',
  });
});

describe('what is no answer of aftersync is said to be that:', () => {
  test('a page', async () => {
    const { client, url } = await serve((_req, res) => {
      res.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>Not found</h1>');
    });
    await assert.rejects(client.steps(), {
      exitCode: 1,
      message: `what answers at ${url} is not aftersync: it answers 404 with text/html`,
      advice: 'name the server with --server or AFTERSYNC_SERVER',
    });
  });

  test('a page with status 200', async () => {
    const { client } = await serve((_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Welcome</h1>');
    });
    await assert.rejects(client.steps(), { message: /is not aftersync: it answers 200 with text\/html$/ });
  });

  test('a redirect, which is not followed, so that no token goes elsewhere', async () => {
    const { client, requests } = await serve((_req, res) => {
      res.writeHead(302, { Location: 'https://login.example.com/' }).end();
    });
    await assert.rejects(client.steps(), {
      message: /is not aftersync: it redirects to https:\/\/login\.example\.com\/$/,
    });
    assert.equal(requests.length, 1);
  });
});

test('where nothing listens, it says what to do', async () => {
  const server = `http://127.0.0.1:${await freeLoopbackPort()}`;
  await assert.rejects(new RestClient({ server }).steps(), {
    exitCode: 1,
    message: `no server at ${server}: nothing listens there`,
    advice: 'start one with `aftersync serve`, name another with --server, or use `aftersync run --local`',
  });
});

test('a server below a path is asked there', async () => {
  const { url, requests } = await serve((_req, res) => sendJson(res, 200, { items: [] }));
  await new RestClient({ server: `${url}/aftersync` }).steps();
  assert.equal(requests[0]?.url, '/aftersync/v1/steps');
});

describe('following an execution', () => {
  async function follow(client: RestClient, signal = new AbortController().signal) {
    const messages: string[] = [];
    const gaps: string[] = [];
    const following = client.follow(execution('pending', ''), { signal, onGap: (reason) => gaps.push(reason) });
    for await (const { message } of following) messages.push(message);
    return { messages, gaps };
  }

  test('goes on after a stream that breaks off, and tells nothing twice', async () => {
    const { client, requests } = await serve((_req, res, count) => {
      if (count === 1) {
        sendEvents(res, execution('running', 'one'));
        setImmediate(() => res.destroy());
      } else sendEvents(res, execution('running', 'one'), execution('running', 'two'), execution('succeeded', 'done'));
    });
    assert.deepEqual((await follow(client)).messages, ['one', 'two', 'done']);
    assert.equal(requests.length, 2);
  });

  test('goes on after a stream that the server ends because it stops', async () => {
    const { client } = await serve((_req, res, count) => {
      if (count > 1) return sendEvents(res, execution('succeeded', 'done'));
      sendEvents(res, execution('running', 'one'));
      res.end();
    });
    assert.deepEqual((await follow(client)).messages, ['one', 'done']);
  });

  test('waits for a server that is full or starting', async () => {
    const { client } = await serve((_req, res, count) => {
      if (count === 1) sendJson(res, 429, { code: 'too-many-streams', title: 'Full', detail: 'full' });
      else if (count === 2) sendJson(res, 503, { code: 'unavailable', title: 'Starting', detail: 'starting' });
      else sendEvents(res, execution('succeeded', 'done'));
    });
    const { messages, gaps } = await follow(client);
    assert.deepEqual(messages, ['done']);
    assert.deepEqual(gaps, ['Full (too-many-streams): full'], 'a gap is told once');
  });

  test('ends with a refusal that stands', async () => {
    const { client } = await serve((_req, res) => {
      sendJson(res, 404, { code: 'not-found', title: 'There is nothing here', detail: 'gone' });
    });
    await assert.rejects(follow(client), {
      name: 'Refusal',
      exitCode: 2,
      message: 'There is nothing here (not-found): gone',
    });
  });

  test('ends without an error when it is aborted, also between two attempts', async () => {
    const { client } = await serve((_req, res) => res.destroy());
    const aborting = new AbortController();
    const messages: string[] = [];
    const following = client.follow(execution('pending', ''), {
      signal: aborting.signal,
      onGap: () => aborting.abort(),
    });
    for await (const { message } of following) messages.push(message);
    assert.deepEqual(messages, []);
  });
});
