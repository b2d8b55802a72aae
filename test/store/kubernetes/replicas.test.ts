import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import pino from 'pino';
import type { Held } from '../../../src/core/holding.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { Replicas } from '../../../src/store/kubernetes/replicas.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { LeaseServer, settled } from './lease-server.ts';

const leaseMs = 4_000;
const sendMs = 20_000;
/** When a member of which nothing is heard is claimed, at the earliest. */
const patienceMs = 4_400;

/** Replicas of one executor at one API server, on one clock. */
function openBench() {
  const server = new LeaseServer();
  const clock = new ManualClock(0);
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line).msg) });
  const joined: Replicas[] = [];

  async function join(namespace = 'vela-system') {
    const api = server.client();
    let stoppedMs = 0;
    let changes = 0;
    const options = { api, namespace, group: 'aftersync', leaseMs, sendMs, silenceLimitMs: 1e9, clock, log };
    const monotonicMs = () => clock.now() + stoppedMs;
    const replicas = await Replicas.join({ ...options, random: () => 0, randomBytes, monotonicMs });
    joined.push(replicas);
    replicas.watch(() => {
      changes += 1;
    });
    await settled();
    const name = replicas.holder ?? '';
    return {
      api,
      replicas,
      name,
      changes: () => changes,
      standStill: (spanMs: number) => {
        stoppedMs += spanMs;
      },
      /** Nothing that it sends arrives any more. */
      die: () => {
        api.fate = () => 'unreachable';
      },
      /** How many of 100 executions held so are its own. */
      share: (held: Omit<Held, 'namespace' | 'id'>) =>
        Array.from({ length: 100 }, (_, i) => replicas.claim({ namespace: 'shop', id: `e${i}`, ...held })).filter(
          (since) => since !== undefined,
        ).length,
      of: (holder: string | undefined, hasOpenEffect = false) =>
        replicas.claim({ namespace: 'shop', id: 'e', holder, hasOpenEffect }),
    };
  }

  return {
    server,
    clock,
    warnings,
    join,
    async pass(spanMs: number) {
      for (let leftMs = spanMs; leftMs > 0; leftMs -= 100) {
        clock.advance(Math.min(100, leftMs));
        await settled();
      }
    },
    close: () => Promise.all(joined.map((replicas) => replicas.leave())),
  };
}

test('what nobody has begun with is shared out, each to one', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  const nobody = { holder: undefined, hasOpenEffect: false };
  assert.equal(a.share(nobody) + b.share(nobody), 100);
  assert.ok(a.share(nobody) > 20 && b.share(nobody) > 20);
});

test("what one has begun with stays its own while it lives, and is nobody else's", async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  await bench.pass(60_000);
  assert.deepEqual([a.of(a.name), b.of(a.name)], [0, undefined]);
  assert.deepEqual([a.replicas.holder, b.replicas.holder], [a.name, b.name]);
});

test('what a dead one held is taken over when its lease has run out, not before, and shared out', async () => {
  const bench = openBench();
  const [a, b, c] = [await bench.join(), await bench.join(), await bench.join()];
  const ofA = { holder: a.name, hasOpenEffect: false };
  a.die();
  await bench.pass(patienceMs - 100);
  assert.deepEqual([b.share(ofA), c.share(ofA)], [0, 0]);
  const before = b.changes();
  await bench.pass(1_100);
  assert.equal(b.share(ofA) + c.share(ofA), 100);
  assert.ok(b.share(ofA) > 20 && c.share(ofA) > 20);
  assert.ok(b.changes() > before);
  assert.equal(bench.server.names.length, 2);
});

test('what a dead one had perhaps sent waits as long again as a send can take', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  a.die();
  await bench.pass(6_000);
  assert.equal(b.of(a.name), 0);
  const since = b.of(a.name, true) ?? 0;
  assert.ok(since >= patienceMs + sendMs - 100 && since <= 6_000 + sendMs, String(since));
  await bench.pass(sendMs);
  assert.ok((b.of(a.name, true) ?? Number.POSITIVE_INFINITY) <= bench.clock.now());
});

test('what one gives back is the others at once, whatever was open', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  await a.replicas.leave();
  await settled();
  assert.deepEqual([b.of(a.name), b.of(a.name, true), a.of(a.name)], [0, 0, undefined]);
});

test('one that gives its lease back and dies before it could delete it is not waited for either', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  a.api.fate = (method) => (method === 'DELETE' ? 'unreachable' : 'answered');
  await a.replicas.leave();
  await bench.pass(1_200);
  assert.equal(b.of(a.name, true), 0);
});

test('a lease that was renewed meanwhile is not claimed, though no event has told of it', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  b.api.fate = (method) => (method === 'WATCH' ? 'unreachable' : 'answered');
  bench.server.breakWatches();
  await bench.pass(30_000);
  assert.deepEqual([a.replicas.holder, b.of(a.name)], [a.name, undefined]);
  assert.ok(b.api.calls.some((call) => call.startsWith('GET') && call.endsWith(a.name.split('/')[1] ?? '')));
  assert.ok(!b.api.calls.some((call) => call.startsWith('DELETE')));
});

test('an event from before the end of a dead one does not bring it back', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  const [namespace, name = ''] = a.name.split('/');
  a.die();
  await bench.pass(6_000);
  assert.equal(b.of(a.name), 0);
  bench.server.put({
    metadata: { name, namespace: namespace ?? '', uid: `uid-${name}` },
    spec: { holderIdentity: name },
  });
  await settled();
  assert.equal(b.share({ holder: undefined, hasOpenEffect: false }), 100);
});

test('a claim beats the renewal that comes late: that one knows by it that it is over', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  a.api.fate = (method) => (method === 'PUT' ? 'hanging' : 'answered');
  await bench.pass(1_000);
  // As if it had stood still from here on: what it has sent arrives much later.
  bench.server.remove(a.name.split('/')[1] ?? '');
  a.api.letGo();
  await settled();
  assert.equal(a.replicas.isAlive(a.name), false);
  assert.equal(b.of(a.name), b.of(undefined));
});

test('one whose lease has lapsed for an instant goes on under another name, and never again under the old one', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  a.standStill(leaseMs);
  assert.deepEqual([a.replicas.isAlive(a.name), a.replicas.holder], [false, undefined]);
  assert.equal(a.of(a.name), undefined);
  await bench.pass(100);
  const anew = a.replicas.holder;
  assert.ok(anew !== undefined && anew !== a.name);
  await bench.pass(60_000);
  assert.deepEqual([a.replicas.isAlive(a.name), a.replicas.holder], [false, anew]);
  // What it had perhaps sent under the old one waits even for itself.
  assert.equal(
    a.share({ holder: a.name, hasOpenEffect: false }) + b.share({ holder: a.name, hasOpenEffect: false }),
    100,
  );
});

test('while the cluster cannot be reached nobody is taken over, and all come back under new names', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  for (const { api } of [a, b]) api.fate = () => 'unreachable';
  bench.server.breakWatches();
  await bench.pass(3 * leaseMs);
  assert.deepEqual([a.replicas.holder, b.replicas.holder], [undefined, undefined]);
  assert.equal(bench.server.names.length, 2);
  for (const { api } of [a, b]) api.fate = () => 'answered';
  await bench.pass(3_000);
  const [newA, newB] = [a.replicas.holder ?? '', b.replicas.holder ?? ''];
  assert.ok(newA !== '' && newB !== '');
  await bench.pass(20_000);
  assert.deepEqual([a.replicas.holder, b.replicas.holder], [newA, newB]);
  assert.deepEqual([a.of(newB), b.of(newA)], [undefined, undefined]);
  const held = { holder: a.name, hasOpenEffect: false };
  assert.equal(a.share(held) + b.share(held), 100);
});

test('an outage shorter than a lease changes nothing', async () => {
  const bench = openBench();
  const [a, b] = [await bench.join(), await bench.join()];
  await bench.pass(1_500);
  for (const { api } of [a, b]) api.fate = () => 'unreachable';
  bench.server.breakWatches();
  await bench.pass(2_500);
  for (const { api } of [a, b]) api.fate = () => 'answered';
  await bench.pass(20_000);
  assert.deepEqual([a.replicas.holder, b.replicas.holder], [a.name, b.name]);
  assert.deepEqual([a.of(b.name), b.of(a.name)], [undefined, undefined]);
});

test('a holder that no list has shown is asked for, and taken for dead only when the cluster says so', async () => {
  const bench = openBench();
  const a = await bench.join();
  a.api.fate = () => 'unreachable';
  assert.equal(a.of('vela-system/aftersync-gone'), undefined);
  await settled();
  assert.equal(a.of('vela-system/aftersync-gone'), undefined);
  a.api.fate = () => 'answered';
  const before = a.changes();
  await bench.pass(2_000);
  assert.equal(a.of('vela-system/aftersync-gone'), undefined, 'asked again only after a while');
  bench.clock.advance(0);
  await bench.pass(10_000);
  assert.ok(a.changes() > before);
  a.of('vela-system/aftersync-gone');
  await settled();
  assert.equal(a.share({ holder: 'vela-system/aftersync-gone', hasOpenEffect: false }), 100);
  assert.equal(a.of('written by hand'), undefined);
  assert.equal(a.of('written by hand'), 0);
});

test('what an executor of another namespace holds is left to it, with a warning', async () => {
  const bench = openBench();
  const a = await bench.join();
  const metadata = { name: 'stranger', namespace: 'elsewhere', uid: 'u' };
  bench.server.put({ metadata, spec: { holderIdentity: 'x', leaseDurationSeconds: 1 } });
  assert.equal(a.of('elsewhere/stranger'), undefined);
  await bench.pass(1_000);
  assert.equal(a.of('elsewhere/stranger'), undefined);
  assert.ok(bench.warnings.some((warning) => warning.includes('another namespace')));
});

test('who leaves while it joins anew leaves no lease behind', async () => {
  const bench = openBench();
  const a = await bench.join();
  a.api.fate = (method) => (method === 'POST' ? 'hanging' : 'answered');
  a.standStill(leaseMs);
  assert.equal(a.replicas.holder, undefined);
  await settled();
  const left = a.replicas.leave();
  a.api.letGo();
  await left;
  assert.deepEqual(bench.server.names, []);
});

test('a cluster that takes no lease is one that cannot be joined', async () => {
  const bench = openBench();
  const write = bench.server.write.bind(bench.server);
  bench.server.write = (sent) =>
    sent.method === 'POST'
      ? { status: 403, body: { message: 'no' } as JsonObject, text: '', retryAfterSeconds: undefined }
      : write(sent);
  await assert.rejects(bench.join(), /leases/i);
});
