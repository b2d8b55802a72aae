import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Execution } from '../../src/core/execution.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import { ExecutionChanges } from '../../src/http/execution-changes.ts';
import { KnownRequests } from '../../src/http/known-requests.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { codeOf, serveApi, success } from './served-api.ts';

const day = 24 * 60 * 60 * 1_000;

/** Known requests over a store that commits what the test says. */
function openKnownRequests(mostBytes = 1_000_000) {
  const clock = new ManualClock();
  const watchers = new Set<(execution: Execution) => void>();
  const deletionWatchers = new Set<(execution: Execution) => void>();
  const store = {
    watch(onChange: (execution: Execution) => void, onDelete: (execution: Execution) => void) {
      watchers.add(onChange);
      deletionWatchers.add(onDelete);
      return () => watchers.delete(onChange);
    },
  } as Partial<ExecutionStore> as ExecutionStore;
  const changes = new ExecutionChanges(store);
  const known = new KnownRequests({ changes, clock, mostBytes });
  return {
    clock,
    known,
    changes,
    commit: (execution: Execution) => {
      for (const watcher of watchers) watcher(execution);
    },
    remove: (execution: Execution) => {
      for (const watcher of deletionWatchers) watcher(execution);
    },
    messageOf(url: string, body: string): string | undefined {
      const found = known.find(url, Buffer.from(body));
      return found && JSON.parse(found.answer.text).message;
    },
    add: (url: string, body: string, execution: Execution) =>
      known.remember({ key: execution, url, body: Buffer.from(body) }, async () => ({ execution })),
  };
}

function execution(version: number, message: string, changes: Partial<Execution> = {}): Execution {
  return {
    namespace: 'default',
    id: 'one',
    version,
    request: { step: 'toy', with: {} },
    caller: 'c',
    createdAt: 1_000,
    deadline: 2_000,
    status: { state: 'running', message, outputs: {}, attempts: 0, effects: [], signals: [] },
    ...changes,
  };
}

test('an answer is replaced by each later commit and never by an older one', async () => {
  const { add, commit, messageOf } = openKnownRequests();
  await add('/one', 'a', execution(2, 'second'));
  assert.equal(messageOf('/one', 'a'), 'second');
  commit(execution(3, 'third'));
  assert.equal(messageOf('/one', 'a'), 'third');
  commit(execution(1, 'first'));
  assert.equal(messageOf('/one', 'a'), 'third');
  await add('/one', 'b', execution(2, 'second'));
  assert.equal(messageOf('/one', 'b'), 'third');
  commit(execution(1, 'made anew', { createdAt: 5_000 }));
  assert.equal(messageOf('/one', 'a'), 'made anew');
});

test('a commit that comes while the request is being recorded is not lost', async () => {
  const { known, commit, messageOf } = openKnownRequests();
  const first = execution(1, 'first');
  await known.remember({ key: first, url: '/one', body: Buffer.from('a') }, async () => {
    commit(execution(2, 'second'));
    return { execution: first };
  });
  assert.equal(messageOf('/one', 'a'), 'second');
});

test('what was deleted is not answered any more, in none of its forms, until it is recorded anew', async () => {
  const { add, commit, remove, messageOf } = openKnownRequests();
  const first = execution(2, 'first');
  await add('/one', 'a', first);
  await add('/one?namespace=default', 'a', first);
  remove(first);
  assert.equal(messageOf('/one', 'a'), undefined);
  const second = execution(1, 'second', { createdAt: 2_000 });
  commit(second);
  await add('/one', 'a', second);
  assert.equal(messageOf('/one', 'a'), 'second');
  assert.equal(messageOf('/one?namespace=default', 'a'), 'second');
});

test('what is deleted while the request finds it is not remembered', async () => {
  const { known, remove, messageOf } = openKnownRequests();
  const found = execution(2, 'found');
  await known.remember({ key: found, url: '/one', body: Buffer.from('a') }, async () => {
    remove(found);
    return { execution: found };
  });
  assert.equal(messageOf('/one', 'a'), undefined);
});

test('what could not be recorded is not remembered', async () => {
  const { known, messageOf } = openKnownRequests();
  const recording = known.remember({ key: execution(1, ''), url: '/one', body: Buffer.from('a') }, () =>
    Promise.reject(new Error('disk full')),
  );
  await assert.rejects(recording, /disk full/);
  assert.equal(messageOf('/one', 'a'), undefined);
});

test('a few forms of one request are known, and no other bytes', async () => {
  const { add, messageOf } = openKnownRequests();
  for (const body of ['a', 'b', 'c', 'd', 'e', 'e']) await add('/one', body, execution(1, 'here'));
  assert.equal(messageOf('/one', 'a'), undefined);
  for (const body of ['b', 'c', 'd', 'e']) assert.equal(messageOf('/one', body), 'here', body);
  assert.equal(messageOf('/one', 'ee'), undefined);
  assert.equal(messageOf('/one?namespace=default', 'e'), undefined);
});

test('the least recently used are forgotten when the bytes run out, and all bytes are given back', async () => {
  const { known, add, commit, messageOf } = openKnownRequests(200_000);
  const body = 'x'.repeat(10_000);
  for (let i = 0; i < 100; i++) {
    await add(`/${i}`, body, execution(1, 'here', { id: `e${i}` }));
    messageOf('/0', body);
    assert.ok(known.bytes <= 200_000);
  }
  assert.equal(messageOf('/0', body), 'here');
  assert.equal(messageOf('/99', body), 'here');
  assert.equal(messageOf('/1', body), undefined);
  // An answer that grows counts too.
  commit(execution(2, 'y'.repeat(150_000), { id: 'e0' }));
  assert.ok(known.bytes <= 200_000);
  await add('/large', 'x'.repeat(300_000), execution(1, 'here', { id: 'large' }));
  assert.equal(known.bytes, 0);
});

test('an answer is given up before its execution may have been deleted', async () => {
  const { clock, known, add, messageOf } = openKnownRequests();
  const finishedAt = clock.now();
  const ended = execution(1, 'done');
  await add('/one', 'a', { ...ended, status: { ...ended.status, state: 'succeeded', finishedAt } });
  clock.advance(day - 1);
  assert.equal(messageOf('/one', 'a'), 'done');
  clock.advance(1);
  assert.equal(messageOf('/one', 'a'), undefined);
  assert.equal(known.bytes, 0);
});

test('a repeated request is not parsed, and shows what was committed last', async (t) => {
  let accepts = 0;
  const api = await serveApi(({ engine }) => ({
    engine: {
      ...engine,
      accept(submission) {
        accepts++;
        return engine.accept(submission);
      },
    },
  }));
  t.after(api.close);
  await api.put('one');
  await api.untilWaiting('one');
  assert.equal((await api.put('one')).json.message, 'waiting for the test');
  await api.goOn('one', success);
  assert.equal((await api.put('one')).json.state, 'succeeded');
  assert.equal(accepts, 1);
  await api.put('one', { other: true });
  assert.equal(accepts, 2);
});

test('a known request is still asked for credential, permission, host and content type', async (t) => {
  let mayCreate = true;
  const api = await serveApi(() => ({
    allowedHosts: ['localhost'],
    authenticate: () => ({ name: 'ann', namespacesFor: () => ['*'], may: () => mayCreate }),
  }));
  t.after(api.close);
  const body = '{"step":"toy","with":{}}';
  const put = (headers: Record<string, string> = {}) =>
    api.call('PUT', '/v1/executions/one', { body, headers: { host: 'localhost', ...headers } });
  await put();
  assert.equal((await put()).status, 200);
  assert.equal(codeOf(await put({ host: 'evil.example' })), 'host-not-allowed');
  assert.equal(codeOf(await put({ 'content-type': 'text/plain' })), 'unsupported-media-type');
  mayCreate = false;
  assert.equal(codeOf(await put()), 'forbidden');
});
