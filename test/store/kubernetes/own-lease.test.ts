import assert from 'node:assert/strict';
import { test } from 'node:test';
import pino from 'pino';
import type { JsonObject } from '../../../src/core/json.ts';
import { OwnLease } from '../../../src/store/kubernetes/own-lease.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { LeaseServer, settled } from './lease-server.ts';

const collection = '/apis/coordination.k8s.io/v1/namespaces/vela-system/leases';
const durationMs = 4_000;

async function acquire() {
  const server = new LeaseServer();
  const api = server.client();
  const clock = new ManualClock(0);
  let stoppedMs = 0;
  const losses: number[] = [];
  const lease = await OwnLease.acquire({
    api,
    collection,
    name: 'a',
    labels: { group: 'g' },
    durationMs,
    clock,
    monotonicMs: () => clock.now() + stoppedMs,
    log: pino({ level: 'silent' }),
    onLost: (lateMs) => losses.push(lateMs),
  });
  const pass = async (spanMs: number) => {
    clock.advance(spanMs);
    await settled();
  };
  return {
    server,
    api,
    lease,
    pass,
    lost: () => losses.length,
    /** How long after the end of each lease it was found to be over. */
    losses,
    renewals: () => api.calls.filter((call) => call.startsWith('PUT')).length,
    /** As long as the process stands still, no timer rings. */
    standStill: (spanMs: number) => {
      stoppedMs += spanMs;
    },
  };
}

test('a lease is renewed four times while it lasts, and so goes on', async () => {
  const { lease, pass, renewals } = await acquire();
  for (let i = 0; i < 12; i++) await pass(1_000);
  assert.deepEqual([lease.isAlive, renewals()], [true, 12]);
});

test('it lasts from before the renewal was sent, not from its answer', async () => {
  const { lease, api, pass, lost } = await acquire();
  api.fate = (method) => (method === 'PUT' ? 'hanging' : 'answered');
  await pass(1_000);
  await pass(900);
  api.letGo();
  await settled();
  api.fate = () => 'unreachable';
  await pass(3_099);
  assert.deepEqual([lease.isAlive, lost()], [true, 0]);
  await pass(1);
  assert.deepEqual([lease.isAlive, lost()], [false, 1]);
});

test('once it has lapsed, if only for an instant, no answer revives it, and its Lease is deleted', async () => {
  const { lease, api, pass, lost, standStill, server } = await acquire();
  api.fate = (method) => (method === 'PUT' ? 'hanging' : 'answered');
  await pass(1_000);
  standStill(durationMs);
  api.letGo();
  await settled();
  assert.deepEqual([lease.isAlive, lost(), server.names], [false, 1, []]);
  api.fate = () => 'answered';
  await pass(60_000);
  assert.deepEqual([lease.isAlive, lost()], [false, 1]);
});

test('a process that stood still learns by the first question that its lease has lapsed', async () => {
  const { lease, losses, standStill } = await acquire();
  standStill(durationMs + 500);
  assert.deepEqual([lease.isAlive, losses], [false, [500]]);
});

test('a renewal of ours whose answer was lost is no reason to end', async () => {
  const { lease, api, pass, lost } = await acquire();
  api.fate = (method) => (method === 'PUT' ? 'answer lost' : 'answered');
  await pass(1_000);
  api.fate = () => 'answered';
  for (let i = 0; i < 40; i++) await pass(250);
  assert.deepEqual([lease.isAlive, lost()], [true, 0]);
  assert.equal(api.calls.filter((call) => call.startsWith('GET')).length, 1);
});

test('a lease that another one has claimed is over at once', async () => {
  const { lease, server, pass, losses } = await acquire();
  server.remove('a');
  await pass(1_000);
  assert.deepEqual([lease.isAlive, losses], [false, [1_000 - durationMs]]);
});

test('an answer that hangs leaves time for other tries', async () => {
  const { lease, api, pass, lost, renewals } = await acquire();
  api.fate = () => 'hanging';
  for (let i = 0; i < 11; i++) await pass(250);
  assert.ok(renewals() >= 2, `${renewals()} tries`);
  api.fate = () => 'answered';
  for (let i = 0; i < 10; i++) await pass(250);
  assert.deepEqual([lease.isAlive, lost()], [true, 0]);
});

test('what is given back is first marked so, and then gone; nobody is told that it was lost', async () => {
  const { lease, server, pass, lost } = await acquire();
  const seen: unknown[] = [];
  const put = server.put.bind(server);
  server.put = (object) => {
    seen.push((object.spec as JsonObject).holderIdentity);
    return put(object);
  };
  await lease.release();
  await pass(60_000);
  assert.deepEqual([seen, server.names, lease.isAlive, lost()], [[''], [], false, 0]);
});

test('it is given back though the answer to the last renewal was lost', async () => {
  const { lease, api, server, pass } = await acquire();
  api.fate = (method) => (method === 'PUT' ? 'answer lost' : 'answered');
  await pass(1_000);
  api.fate = () => 'answered';
  await lease.release();
  assert.deepEqual(server.names, []);
});
