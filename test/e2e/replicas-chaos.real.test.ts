import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSeed } from '../support/seeded-random.ts';
import { type ChaosOptions, runChaos } from './replicas-chaos.ts';

// At full size: `npm run chaos`.
const executions = 40;

async function assertSound(options: Omit<ChaosOptions, 'seed' | 'executions'>, tell: (text: string) => void) {
  const seed = chooseSeed();
  const { wrong, counts } = await runChaos({ ...options, seed, executions });
  tell(`seed ${seed}: ${JSON.stringify(counts)}`);
  assert.deepEqual(wrong, [], `AFTERSYNC_TEST_SEED=${seed}\n${wrong.join('\n')}`);
}

test('three replicas of which one is always being killed or stopped: every execution ends, and none is sent twice', (t) =>
  assertSound({}, (text) => t.diagnostic(text)));

test('the same while the API server restarts and etcd is gone: nor is any taken over from the living', (t) =>
  assertSound({ etcdOutageMs: 5_000 }, (text) => t.diagnostic(text)));
