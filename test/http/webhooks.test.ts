import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { limits } from '../../src/core/limits.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { loopbackHosts } from '../../src/http/allowed-hosts.ts';
import { forWebhooks, startHttpServer } from '../../src/http/listen.ts';
import { githubWebhook } from '../../src/providers/github/webhook.ts';
import { providerTools } from '../providers/provider-tools.ts';
import { eventually } from '../support/eventually.ts';
import { runEvent, webhookDelivery } from '../support/github/webhook.ts';
import { codeOf, serveApi } from './served-api.ts';

const path = '/v1/hooks/github';
const secret = 'between us';
const connections = [
  {
    name: 'github',
    type: 'github',
    allow: {},
    isDefault: true,
    options: { webhookSecretFile: '/secret' },
    place: 'aftersync.yaml:1',
  },
];

/** The API with a connection to GitHub that has a secret, and a server for webhooks alone. */
async function serveWebhooks(t: TestContext, wake?: Engine['wake']) {
  const woken: string[] = [];
  const tools = providerTools({
    fetch: () => Promise.reject(new Error('no network here')),
    credentials: { '/secret': secret },
  });
  const api = await serveApi(({ engine }) => ({
    webhooks: { github: githubWebhook({ ...tools, connections }) },
    allowedHosts: loopbackHosts,
    engine: { ...engine, wake: wake ?? (async (signals) => void woken.push(...signals)) },
    async authenticate() {
      throw new Error('nobody asks who sends a webhook');
    },
  }));
  const alone = await startHttpServer({ handle: api.app.handleWebhooks }, { host: '127.0.0.1', port: 0 }, forWebhooks);
  t.after(async () => {
    await alone.close();
    await api.close();
  });
  return { ...api, alone, woken };
}

const completed = webhookDelivery(secret, 'workflow_run', runEvent(7));

test('a webhook of a run wakes who waits for the run', async (t) => {
  const { call, woken } = await serveWebhooks(t);
  const answer = await call('POST', path, completed);
  assert.deepEqual([answer.status, answer.text], [204, '']);
  assert.deepEqual(woken, ['github:github/acme/shop/7']);
});

test('twice, in disorder, or of something else: each is heard, and no more comes of it', async (t) => {
  const { call, woken } = await serveWebhooks(t);
  const requested = webhookDelivery(secret, 'workflow_run', runEvent(7, 'requested'));
  for (const delivery of [completed, completed, requested, webhookDelivery(secret, 'ping', { zen: 'Mind.' })]) {
    assert.equal((await call('POST', path, delivery)).status, 204);
  }
  assert.deepEqual(new Set(woken), new Set(['github:github/acme/shop/7']));
});

test('a forged one changes nothing', async (t) => {
  const { call, woken } = await serveWebhooks(t);
  const { headers } = webhookDelivery('a guess', 'workflow_run', runEvent(7));
  const forged = await call('POST', path, { ...completed, headers });
  assert.deepEqual([forged.status, codeOf(forged)], [401, 'bad-signature']);
  const { 'x-hub-signature-256': _, ...unsigned } = completed.headers;
  assert.equal(codeOf(await call('POST', path, { ...completed, headers: unsigned })), 'bad-signature');
  assert.deepEqual(woken, []);
});

test('a form is refused, and says to send JSON', async (t) => {
  const { call } = await serveWebhooks(t);
  const headers = { ...completed.headers, 'content-type': 'application/x-www-form-urlencoded' };
  assert.equal(codeOf(await call('POST', path, { ...completed, headers })), 'unsupported-media-type');
});

test('one over its limit is refused; one at it is read, byte for byte', async (t) => {
  const { call, woken } = await serveWebhooks(t);
  const sized = (bytes: number) => {
    const event = { ...runEvent(7), padding: '' };
    return webhookDelivery(secret, 'workflow_run', {
      ...event,
      padding: ' '.repeat(bytes - JSON.stringify(event).length),
    });
  };
  assert.equal((await call('POST', path, sized(limits.webhookBytes))).status, 204);
  assert.equal(woken.length, 1);
  assert.equal(codeOf(await call('POST', path, sized(limits.webhookBytes + 1))), 'body-too-large');
  assert.equal(woken.length, 1);
});

const wellFormed = `sha256=${'0'.repeat(64)}`;
const ofOneMiB = `Content-Length: ${limits.webhookBytes}`;

/** Sends a webhook and never its end. Gives the status, if it is answered all the same. */
function begin(t: TestContext, url: string, { signature = wellFormed, framing = ofOneMiB, body = '' }) {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  t.after(() => socket.destroy());
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `X-Hub-Signature-256: ${signature}`,
    framing,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  const { promise: status, resolve } = Promise.withResolvers<number>();
  socket.on('error', () => {}).once('data', (answer) => resolve(Number(String(answer).slice(9, 12))));
  return { status, socket };
}

test('an unsigned one is refused before its body comes', async (t) => {
  const { server, alone } = await serveWebhooks(t);
  for (const { url } of [server, alone]) assert.equal(await begin(t, url, { signature: '' }).status, 401);
});

test('those that are being read take 16 MiB together, at both addresses, and further ones are to come again', async (t) => {
  const { server, alone, call, woken } = await serveWebhooks(t);
  const body = ' '.repeat(limits.webhookBytes - 1);
  const begun = Array.from({ length: 17 }, (_unused, i) => begin(t, (i % 2 === 0 ? server : alone).url, { body }));
  assert.equal(await Promise.race(begun.map(({ status }) => status)), 503);
  for (const { socket } of begun) socket.destroy();
  const large = webhookDelivery(secret, 'workflow_run', { ...runEvent(7), padding: ' '.repeat(900_000) });
  await eventually(
    () => call('POST', path, large),
    ({ status }) => status === 204,
  );
  assert.equal(woken.length, 1);
});

test('it is answered when what must be stored is stored', async (t) => {
  const { promise: isStored, resolve: store } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const { call } = await serveWebhooks(t, () => {
    arrive();
    return isStored;
  });
  let isAnswered = false;
  const answering = call('POST', path, completed).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await arrived;
  // Another request, there and back.
  await call('GET', '/healthz');
  assert.equal(isAnswered, false);
  store();
  assert.equal((await answering).status, 204);
});

test('no web page can send one to a server on loopback, as it can send nothing else', async (t) => {
  const { call } = await serveWebhooks(t);
  const headers = { ...completed.headers, host: 'evil.example' };
  assert.equal(codeOf(await call('POST', path, { ...completed, headers })), 'host-not-allowed');
});

test('the listener for webhooks takes them under any name, and serves nothing else', async (t) => {
  const { alone, woken } = await serveWebhooks(t);
  const headers = { ...completed.headers, host: 'hooks.example.com' };
  const heard = await request(alone.url + path, { method: 'POST', headers, body: completed.body });
  await heard.body.dump();
  assert.deepEqual([heard.statusCode, woken.length], [204, 1]);
  for (const [method, other] of [
    ['GET', '/'],
    ['GET', '/healthz'],
    ['GET', '/metrics'],
    ['GET', '/openapi.json'],
    ['GET', '/v1/executions'],
    ['PUT', '/v1/executions/one'],
    ['POST', '/v1/hooks/other'],
    ['POST', '/v1/hooks/../executions'],
  ] as const) {
    const answer = await fetch(alone.url + other, { method, ...(method === 'GET' ? {} : { body: '{}' }) });
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [404, 'not-found'], other);
  }
  const read = await fetch(alone.url + path);
  assert.deepEqual([read.status, read.headers.get('allow')], [405, 'POST']);
});
