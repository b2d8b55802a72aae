import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterAccess } from '../../../src/providers/kubernetes/cluster-access.ts';
import { type ApiAnswer, ClusterApi } from '../../../src/providers/kubernetes/cluster-api.ts';
import { PacedWrites } from '../../../src/store/kubernetes/paced-writes.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { settled } from './lease-server.ts';

const answerOf = (status: number, retryAfterSeconds?: number): ApiAnswer => ({
  status,
  body: {},
  text: '',
  retryAfterSeconds,
});
const write = { method: 'POST', path: '/x' } as const;

function open(answers: ApiAnswer[], writesPerSecond = 10) {
  const clock = new ManualClock(0);
  const sentAt: number[] = [];
  const api = new ClusterApi({ access: {} as ClusterAccess, requestTimeoutMs: 1, clock });
  api.write = async () => {
    sentAt.push(clock.now());
    return answers.shift() ?? answerOf(201);
  };
  const writes = new PacedWrites({ api, writesPerSecond, clock });
  const pass = async (spanMs: number) => {
    for (let leftMs = spanMs; leftMs > 0; leftMs -= 100) {
      clock.advance(100);
      await settled();
    }
  };
  return { sentAt, writes, pass };
}

test('after a burst writes wait for their turn', async () => {
  const { writes, sentAt, pass } = open([]);
  const all = Array.from({ length: 20 }, () => writes.write(write));
  await settled();
  assert.equal(sentAt.length, 10);
  await pass(500);
  assert.equal(sentAt.length, 15);
  await pass(500);
  await Promise.all(all);
  assert.equal(sentAt.length, 20);
});

test('when the cluster asks to come back later, no write goes out before', async () => {
  const { writes, sentAt, pass } = open([answerOf(429, 3)]);
  const first = writes.write(write);
  await settled();
  const second = writes.write(write);
  await pass(2_900);
  assert.deepEqual(sentAt, [0]);
  await pass(1_000);
  assert.deepEqual([(await first).status, (await second).status], [201, 201]);
  assert.ok(sentAt.slice(1).every((time) => time >= 3_000));
});

test('a cluster that keeps asking so gets no more than five tries, and its answer is told', async () => {
  const { writes, sentAt, pass } = open(Array.from({ length: 9 }, () => answerOf(429, 3_600)));
  const refused = writes.write(write);
  await pass(60_000);
  assert.equal((await refused).status, 429);
  assert.equal(sentAt.length, 5);
});
