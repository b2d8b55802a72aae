import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { HttpError, type HttpRequest } from '../../src/core/connection.ts';
import { userAddresses } from '../../src/providers/address-guard.ts';
import { createHttpFetch } from '../../src/providers/http-client.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { selfSigned } from './self-signed.ts';

/** Of what does not take time itself. */
const timeoutMs = 30_000;
const client = createHttpFetch({ userAgent: 'aftersync-test' });
const servers: Server[] = [];
const sockets = new Set<Socket>();

after(async () => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
  await client.close();
});

async function listen(server: Server): Promise<string> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function http(listener: RequestListener): Promise<string> {
  return `http://${await listen(createServer(listener))}`;
}

/** A server that does what it likes with each connection. */
async function tcp(onConnection: (socket: Socket) => void): Promise<string> {
  return `http://${await listen(createTcpServer(onConnection))}`;
}

async function failureOf(request: Partial<HttpRequest> & { url: string }, { fetch } = client): Promise<HttpError> {
  try {
    await fetch({ method: 'POST', timeoutMs, ...request });
  } catch (error) {
    assert.ok(error instanceof HttpError, `expected an HttpError, not ${error}`);
    return error;
  }
  assert.fail('expected a failure');
}

describe('an exchange', () => {
  it('carries method, path, query, headers and body, and gives back status, headers and text', async () => {
    const url = await http((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.writeHead(207, { 'x-seen': `${request.method} ${request.url}`, 'set-cookie': ['a=1', 'b=2'] });
        response.end(
          JSON.stringify({
            host: request.headers.host,
            agent: request.headers['user-agent'],
            body: Buffer.concat(chunks).toString(),
          }),
        );
      });
    });
    const answer = await client.fetch({
      method: 'PURGE',
      url: `${url}/a%2Fb?c=d`,
      headers: { host: 'www.example.com' },
      body: 'ä',
      timeoutMs,
    });
    assert.equal(answer.status, 207);
    assert.equal(answer.headers['x-seen'], 'PURGE /a%2Fb?c=d');
    assert.equal(answer.headers['set-cookie'], 'a=1, b=2');
    assert.deepEqual(JSON.parse(answer.text), { host: 'www.example.com', agent: 'aftersync-test', body: 'ä' });
  });

  it('gives a redirect back instead of following it', async () => {
    let calls = 0;
    const url = await http((_request, response) => {
      calls += 1;
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    const answer = await client.fetch({ method: 'POST', url, timeoutMs });
    assert.deepEqual([answer.status, answer.headers.location, calls], [307, '/elsewhere', 1]);
  });

  it('gives HTML and error statuses back for the caller to judge', async () => {
    const url = await http((_request, response) => void response.writeHead(502).end('<html>bad gateway</html>'));
    const answer = await client.fetch({ method: 'GET', url, timeoutMs });
    assert.deepEqual([answer.status, answer.text], [502, '<html>bad gateway</html>']);
  });

  it('reuses its connection', async () => {
    const ports = new Set<number | undefined>();
    const url = await http((request, response) => {
      ports.add(request.socket.remotePort);
      response.end('ok');
    });
    for (let call = 0; call < 5; call += 1) await client.fetch({ method: 'POST', url, timeoutMs });
    // The answer arrives a moment before undici counts its connection as free, so there may be a second one.
    assert.ok(ports.size <= 2, `${ports.size} connections`);
  });
});

/** A server that answers `/first` when it is told to, and all else at once. */
async function holdingFirst() {
  const paths: (string | undefined)[] = [];
  let answer = (): void => {};
  const url = await http((request, response) => {
    paths.push(request.url);
    if (request.url === '/first') answer = () => void response.end();
    else response.end();
  });
  /** It has come, and has the connection that the others wait for. */
  async function firstCame(): Promise<void> {
    while (paths.length === 0) await setImmediate();
  }
  return { url, paths, firstCame, answerFirst: () => answer() };
}

describe('a failure where certainly nothing was sent', () => {
  it('is a name that does not exist', async () => {
    // Too long for one, so that no DNS server is asked, which might take its time.
    const failure = await failureOf({ url: `http://${'x'.repeat(64)}.invalid/` });
    assert.deepEqual([failure.sent, failure.code], [false, 'ENOTFOUND']);
  });

  it('is a refused connection', async () => {
    const failure = await failureOf({ url: `http://127.0.0.1:${await freeLoopbackPort()}/` });
    assert.deepEqual([failure.sent, failure.code], [false, 'ECONNREFUSED']);
  });

  it('is a certificate that is not trusted', async () => {
    let requests = 0;
    const server = createHttpsServer(selfSigned, (_request, response) => {
      requests += 1;
      response.end();
    });
    const failure = await failureOf({ url: `https://${await listen(server)}/` });
    assert.deepEqual([failure.sent, failure.code, requests], [false, 'DEPTH_ZERO_SELF_SIGNED_CERT', 0]);
  });

  it('is a server that never agrees on TLS, up to the timeout', async () => {
    const url = (await tcp(() => {})).replace('http:', 'https:');
    const failure = await failureOf({ url, timeoutMs: 50 });
    assert.deepEqual([failure.sent, failure.code], [false, 'TIMEOUT']);
  });

  it('is an exchange that timed out while it waited for a free connection, and it is not sent later', async () => {
    const narrow = createHttpFetch({ userAgent: 'test', connectionsPerOrigin: 1 });
    const { url, paths, firstCame, answerFirst } = await holdingFirst();
    const first = narrow.fetch({ method: 'POST', url: `${url}/first`, timeoutMs });
    await firstCame();
    await assert.rejects(narrow.fetch({ method: 'POST', url: `${url}/second`, timeoutMs: 50 }), { sent: false });
    answerFirst();
    await first;
    await narrow.fetch({ method: 'POST', url: `${url}/third`, timeoutMs });
    assert.deepEqual(paths, ['/first', '/third']);
    await narrow.close();
  });

  it('is a process that may not speak any more when its turn to send comes', async () => {
    const speaker = new AsyncLocalStorage<string>();
    const silenced = new Set<string | undefined>();
    const maySend = () => !silenced.has(speaker.getStore());
    const narrow = createHttpFetch({ userAgent: 'test', connectionsPerOrigin: 1, maySend });
    const { url, paths, firstCame, answerFirst } = await holdingFirst();
    const send = (name: string, path: string) =>
      speaker.run(name, () => narrow.fetch({ method: 'POST', url: url + path, timeoutMs }));
    const first = send('a', '/first');
    const second = assert.rejects(send('b', '/second'), { sent: false, code: 'NOT_ALLOWED_NOW' });
    const third = send('a', '/third');
    await firstCame();
    // While it waits for the connection, which the others have.
    silenced.add('b');
    answerFirst();
    await Promise.all([first, second, third]);
    assert.deepEqual(paths, ['/first', '/third']);
    await narrow.close();
  });

  it('is a request that cannot be written, such as a header with a line break', async () => {
    const url = await http((_request, response) => void response.end());
    const failure = await failureOf({ url, headers: { authorization: 'Bearer s3cret\n' } });
    assert.deepEqual([failure.sent, failure.code], [false, 'INVALID_REQUEST']);
  });

  for (const url of ['http://169.254.169.254/latest/', 'http://[::ffff:169.254.169.254]/', 'http://2852039166/']) {
    it(`is a metadata address: ${url}`, async () => {
      const failure = await failureOf({ url });
      assert.deepEqual([failure.sent, failure.code], [false, 'FORBIDDEN_ADDRESS']);
    });
  }

  for (const host of ['127.0.0.1', 'localhost']) {
    it(`is a private address that a user named: ${host}`, async () => {
      const { port } = new URL(await http((_request, response) => void response.end()));
      const url = `http://${host}:${port}/`;
      const guarded = createHttpFetch({ userAgent: 'test', addresses: userAddresses([]) });
      await assert.rejects(guarded.fetch({ method: 'GET', url, timeoutMs }), (error) => {
        assert.ok(error instanceof HttpError);
        assert.match(error.message, /is a private address, which takes a range of network.allow/);
        return error.code === 'FORBIDDEN_ADDRESS' && !error.sent;
      });
      const allowed = createHttpFetch({ userAgent: 'test', addresses: userAddresses(['127.0.0.0/8', '::1/128']) });
      assert.equal((await allowed.fetch({ method: 'GET', url, timeoutMs })).status, 200);
      await Promise.all([guarded.close(), allowed.close()]);
    });
  }

  it('is a signal that was aborted before', async () => {
    const url = await http((_request, response) => void response.end());
    const failure = await failureOf({ url, signal: AbortSignal.abort() });
    assert.deepEqual([failure.sent, failure.code], [false, 'ABORTED']);
  });
});

describe('a failure after which the server may have acted', () => {
  it('is a connection that is reset after the request arrived', async () => {
    const failure = await failureOf({
      url: await tcp((socket) => socket.once('data', () => socket.resetAndDestroy())),
    });
    assert.deepEqual([failure.sent, failure.code], [true, 'ECONNRESET']);
  });

  it('is a connection that is closed without an answer', async () => {
    const failure = await failureOf({ url: await tcp((socket) => socket.once('data', () => socket.end())) });
    assert.deepEqual([failure.sent, failure.code], [true, 'UND_ERR_SOCKET']);
  });

  it('is a kept connection that the server closes while the next request is on its way, which is sent once', async () => {
    let requests = 0;
    const url = await tcp((socket) =>
      socket.on('data', () => {
        requests += 1;
        if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        else socket.resetAndDestroy();
      }),
    );
    await client.fetch({ method: 'GET', url, timeoutMs });
    const failure = await failureOf({ url, method: 'GET' });
    assert.deepEqual([failure.sent, requests], [true, 2]);
  });

  for (const [where, answer] of [
    ['before its headers', ''],
    ['within its body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'],
  ]) {
    it(`is a server that hangs ${where}`, async () => {
      const narrow = createHttpFetch({ userAgent: 'test', connectionsPerOrigin: 1 });
      const url = await tcp((socket) => {
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
          socket.once('data', () => socket.write(answer ?? ''));
        });
      });
      // On the connection of this one the next goes out at once, however long it takes to connect.
      await narrow.fetch({ method: 'POST', url, timeoutMs });
      const failure = await failureOf({ url, timeoutMs: 50 }, narrow);
      assert.deepEqual([failure.sent, failure.code], [true, 'TIMEOUT']);
      await narrow.close();
    });
  }

  it('is an answer that is cut short', async () => {
    const url = await tcp((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')),
    );
    assert.equal((await failureOf({ url })).sent, true);
  });

  it('is an answer that is not HTTP', async () => {
    const failure = await failureOf({ url: await tcp((socket) => socket.once('data', () => socket.end('nonsense'))) });
    assert.equal(failure.sent, true);
  });

  it('is an answer over the limit, whether its length is announced or not', async () => {
    const announced = await http((_request, response) => void response.end('x'.repeat(2_000)));
    const streamed = await http((_request, response) => {
      for (let piece = 0; piece < 20; piece += 1) response.write('x'.repeat(100));
      response.end();
    });
    for (const url of [announced, streamed]) {
      const failure = await failureOf({ url, maxBytes: 1_000 });
      assert.deepEqual([failure.sent, failure.code], [true, 'ANSWER_TOO_LARGE']);
    }
    assert.equal((await client.fetch({ method: 'GET', url: streamed, timeoutMs, maxBytes: 2_000 })).status, 200);
  });

  it('is a signal that aborts an exchange under way', async () => {
    const controller = new AbortController();
    const url = await tcp((socket) => socket.once('data', () => controller.abort()));
    const failure = await failureOf({ url, signal: controller.signal });
    assert.deepEqual([failure.sent, failure.code], [true, 'ABORTED']);
  });
});

it('no error tells a header, user information or a query', async () => {
  const resets = await tcp((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const secrets = { authorization: 'Bearer s3cret', 'fastly-key': 's3cret' };
  for (const request of [
    { url: `${resets}/path?key=s3cret`, headers: secrets },
    { url: `${resets}/path?key=s3cret`.replace('//', '//user:s3cret@'), headers: secrets },
    { url: 'http://s3cret:s3cret', headers: secrets },
    { url: `${resets}/`, headers: { authorization: 'Bearer s3cret\n' } },
  ]) {
    const failure = await failureOf(request);
    for (let error: unknown = failure; error instanceof Error; error = error.cause) {
      assert.doesNotMatch(`${error.message} ${error.stack} ${JSON.stringify(error)}`, /s3cret/);
    }
  }
});

for (const name of ['Fastly-Key', 'X-Amz-Security-Token']) {
  it(`an answer that quotes the credential in ${name} comes without it`, async () => {
    const url = await http(({ headers }, response) => void response.end(`no ${headers[name.toLowerCase()]}`));
    const answer = await client.fetch({ method: 'GET', url, headers: { [name]: 's3cret-t0ken' }, timeoutMs });
    assert.equal(answer.text, 'no [redacted]');
  });
}

it('an answer that quotes the credential comes without it, in headers and body', async () => {
  const url = await http(({ headers }, response) => {
    response
      .writeHead(401, { 'x-quoted': `not ${headers.authorization}` })
      .end(`{"message":"${headers.authorization}?"}`);
  });
  for (const headers of [{ authorization: 'Bearer s3cret-t0ken' }, { Authorization: 's3cret-t0ken' }]) {
    const answer = await client.fetch({ method: 'GET', url, headers, timeoutMs });
    assert.match(answer.text, /\[redacted\]\?"\}$/);
    assert.match(answer.headers['x-quoted'] ?? '', /^not .*\[redacted\]$/);
    assert.doesNotMatch(JSON.stringify(answer), /s3cret/);
  }
  // Short enough to be a part of any word: nothing is to be hidden, and much to be broken.
  const short = await client.fetch({ method: 'GET', url, headers: { authorization: 'Bearer not' }, timeoutMs });
  assert.equal(short.headers['x-quoted'], 'not Bearer not');
  const open = await client.fetch({ method: 'GET', url, timeoutMs });
  assert.equal(open.text, '{"message":"undefined?"}');
});
