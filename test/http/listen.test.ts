import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { forWebhooks, startHttpServer } from '../../src/http/listen.ts';
import { serveApi } from './served-api.ts';

test('a port in use is said in a sentence', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const port = Number(new URL(api.server.url).port);
  await assert.rejects(startHttpServer(api.app, { host: '127.0.0.1', port }), {
    message: `cannot listen on 127.0.0.1 port ${port}: another process uses the port; stop it or choose another server.address`,
  });
  await assert.rejects(
    startHttpServer(api.app, { host: '203.0.113.254', port: 0 }),
    /this machine does not have the address/,
  );
});

test('an IPv6 address is written as URLs write it', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const server = await startHttpServer(api.app, { host: '::1', port: 0 });
  t.after(server.close);
  assert.match(server.url, /^http:\/\/\[::1\]:\d+$/);
});

test('a stop lets a request in flight finish, closes idle connections, and takes no new one', async (t) => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
  const api = await serveApi(({ engine }) => ({
    engine: {
      ...engine,
      async accept(submission) {
        arrive();
        await mayGoOn;
        return await engine.accept(submission);
      },
    },
  }));
  t.after(api.close);
  const port = Number(new URL(api.server.url).port);
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const idleClosed = once(idle.resume(), 'close');
  const used = connect(port, '127.0.0.1');
  used.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(used, 'data');
  const usedClosed = once(used.resume(), 'close');

  const answer = api.put('one');
  await arrived;
  let isClosed = false;
  const closed = api.server.close().then(() => {
    isClosed = true;
  });
  await Promise.all([idleClosed, usedClosed]);
  const refused = connect(port, '127.0.0.1');
  assert.equal((await once(refused, 'error').catch((error) => [error]))[0].code, 'ECONNREFUSED');
  assert.equal(isClosed, false);
  goOn();
  assert.equal((await answer).status, 201);
  await closed;
});

test('a listener for webhooks takes no more connections than it may', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const server = await startHttpServer(api.app, { host: '127.0.0.1', port: 0 }, { ...forWebhooks, mostConnections: 1 });
  t.after(server.close);
  const port = Number(new URL(server.url).port);
  const first = connect(port, '127.0.0.1');
  await once(first, 'connect');
  const second = connect(port, '127.0.0.1');
  await once(second.resume(), 'close');
  assert.equal(second.bytesRead, 0, 'it was closed for a reason of its own');
  first.write('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await once(first, 'data');
});

test('a server that drains is not ready', async (t) => {
  let readiness: true | string = 'the server is starting';
  const api = await serveApi(() => ({ ready: () => readiness }));
  t.after(api.close);
  const starting = await api.call('GET', '/readyz');
  assert.equal(starting.status, 503);
  assert.equal(starting.json.detail, 'the server is starting');
  assert.equal((await api.call('GET', '/healthz')).status, 200);
  readiness = true;
  assert.equal((await api.call('GET', '/readyz')).status, 200);
  api.app.drain();
  assert.equal((await api.call('GET', '/readyz')).status, 503);
  assert.equal((await api.call('GET', '/healthz')).status, 200);
});
