import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { serveRawHttp } from '../support/raw-http.ts';
import { RealServer } from './real-server.ts';

const putIntervalMs = 5;
const longPolls = 100;
/** Further ones are under way then, and go on to come. */
const answersBeforeSignal = 30;

test('SIGTERM under load loses nothing that was answered, and answers those who wait', async (t) => {
  const cache = await serveRawHttp(async () => ({ status: 200, reason: 'OK', headers: { 'x-purge': 'done' } }));
  t.after(() => cache.close());
  const server = await RealServer.inFolder(t, {
    'aftersync.yaml': `server: { address: "127.0.0.1:0" }
store: { path: ./store.db }
log: { level: warn }
connections:
  - name: edge
    type: varnish
    default: true
    endpoints: ["${cache.url}"]
  - name: away
    type: varnish
    endpoints: ["http://127.0.0.1:${await freeLoopbackPort()}"]
`,
  });
  await server.start();
  const put = (id: string, connection: string) =>
    server.call('PUT', `/v1/executions/${id}`, {
      body: { step: 'purge-cdn', with: { tags: [id], connection } },
    });
  assert.equal((await put('waits', 'away')).status, 201);
  const waiting = Array.from({ length: longPolls }, () => server.call('GET', '/v1/executions/waits?wait=60s'));
  const gauge = async () => /^aftersync_http_long_polls (\d+)$/m.exec((await server.call('GET', '/metrics')).text)?.[1];
  await eventually(gauge, (count) => count === String(longPolls));

  const answered = new Map<string, number>();
  const puts: Promise<void>[] = [];
  let stopped: Promise<number | null> | undefined;
  let isRunning = true;
  for (let count = 0; isRunning; count++) {
    const id = `load-${count}`;
    puts.push(
      put(id, 'edge').then(
        ({ status }) => void answered.set(id, status),
        // Refused or cut off: the client knows that it does not know.
        () => {},
      ),
    );
    if (stopped === undefined && answered.size >= answersBeforeSignal) {
      stopped = server.stop('SIGTERM');
      void stopped.then(() => {
        isRunning = false;
      });
    }
    await delay(putIntervalMs);
  }
  assert.equal(await stopped, 0);
  await Promise.all(puts);
  for (const { status, json } of await Promise.all(waiting)) assert.equal(`${status} ${json.id}`, '200 waits');
  assert.deepEqual(new Set(answered.values()), new Set([201]));

  await server.start();
  for (const id of answered.keys()) {
    const { status, json } = await server.call('GET', `/v1/executions/${id}?wait=60s`);
    assert.equal(`${status} ${json.state}`, '200 succeeded', id);
  }
  assert.equal((await server.call('GET', '/v1/executions/waits')).json.state, 'running');
});
