import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Execution, Origin } from '../../src/core/execution.ts';
import { limits } from '../../src/core/limits.ts';
import {
  ExecutionMissing,
  type ExecutionStore,
  type ListFilter,
  type UnfinishedEntry,
  VersionConflict,
} from '../../src/core/store.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { RandomLife } from './random-life.ts';
import { doneEffect, failed, newExecution, openEffect, pending, running, succeeded, t0 } from './sample-executions.ts';
import { inKeyOrder } from './store-model.ts';
import { unfinishedBlocks } from './unfinished-blocks.ts';

export interface OpenedStore {
  readonly store: ExecutionStore;
  /** Closes the store and opens another on what it kept; absent where nothing outlives a store. */
  reopen?(): Promise<ExecutionStore>;
  /** Closes whichever store is open, and removes what the test left behind. */
  dispose(): Promise<void>;
}

/** The namespaces that executions of the suite are in; an adapter that needs them made makes them. */
export const contractNamespaces = ['default', 'shop', 'shop-eu'] as const;

/**
 * What every ExecutionStore does. `openStore` gives an empty one, which takes requests of so many bytes. An adapter's own
 * test file runs this, and adds only what is peculiar to it.
 */
export function storeContract(
  name: string,
  openStore: () => Promise<OpenedStore>,
  requestBytes: number = limits.bodyBytes,
): void {
  function storeTest(title: string, run: (opened: OpenedStore, test: TestContext) => Promise<void>): void {
    it(title, async (test) => {
      const opened = await openStore();
      try {
        await run(opened, test);
      } finally {
        await opened.dispose();
      }
    });
  }

  describe(`${name}: create`, () => {
    storeTest('adds what is absent, as its first version', async ({ store }) => {
      const execution = newExecution('a');
      assert.deepEqual(await store.create(execution), { created: true, execution: { ...execution, version: 1 } });
      assert.deepEqual(await store.get(execution), { ...execution, version: 1 });
    });

    storeTest('returns what is present as it stands, and changes nothing', async ({ store }) => {
      const execution = newExecution('a');
      await store.create(execution);
      const updated = await store.update(execution, 1, running);
      const again = await store.create(newExecution('a', { caller: 'somebody else', createdAt: t0 + 1 }));
      assert.deepEqual(again, { created: false, execution: updated });
      assert.deepEqual(await store.get(execution), updated);
    });

    storeTest('lets one of two win who create the same at once', async ({ store }) => {
      const answers = await Promise.all(
        ['first', 'second'].map((caller) => store.create(newExecution('a', { caller }))),
      );
      assert.equal(answers.filter(({ created }) => created).length, 1);
      assert.deepEqual(answers[0]?.execution, answers[1]?.execution);
    });

    storeTest('keeps executions of one id in two namespaces apart', async ({ store }) => {
      await store.create(newExecution('a', { namespace: 'shop', caller: 'one' }));
      const { created } = await store.create(newExecution('a', { namespace: 'shop-eu', caller: 'two' }));
      assert.equal(created, true);
      assert.equal((await store.get({ namespace: 'shop', id: 'a' }))?.caller, 'one');
      assert.equal((await store.get({ namespace: 'shop-eu', id: 'a' }))?.caller, 'two');
    });

    storeTest('keeps a large request and every kind of character', async ({ store }) => {
      const text = 'Grüße, 世界 👩‍🚀 \u0000 \u2028 " \\ ';
      const execution = newExecution('a', {
        request: {
          step: 'purge-cdn',
          with: { urls: 'x'.repeat(requestBytes), [text]: text, nested: [null, true, 1.5, -0.25e-7, { a: [] }] },
          origin: originOf('web', text),
          timeout: '10m',
          failurePolicy: 'ignore',
        },
        originStep: text,
        caller: text,
      });
      await store.create(execution);
      const outputs = { [text]: 'x'.repeat(64 * 1024) };
      const status = { ...running, message: text, outputs, signals: [text], originStep: text };
      await store.update(execution, 1, status);
      assert.deepEqual(await store.get(execution), { ...execution, version: 2, status });
    });
  });

  describe(`${name}: update`, () => {
    storeTest('replaces the whole status and nothing else', async ({ store }) => {
      const execution = newExecution('a', {
        originStep: 'o',
        request: { step: 's', with: {}, origin: originOf('web') },
      });
      await store.create({ ...execution, status: { ...running, effects: [openEffect], wakeAt: t0, stepState: 1 } });
      const status = { ...succeeded(t0 + 9), effects: [doneEffect], outputs: { runId: 7 } };
      assert.deepEqual(await store.update(execution, 1, status), { ...execution, version: 2, status });
      assert.deepEqual(await store.get(execution), { ...execution, version: 2, status });
    });

    storeTest('lets one of two win who read the same version', async ({ store }) => {
      const execution = newExecution('a');
      await store.create(execution);
      const messages = ['one', 'two'];
      const updates = await Promise.allSettled(
        messages.map((message) => store.update(execution, 1, { ...running, message })),
      );
      const won = updates.findIndex(({ status }) => status === 'fulfilled');
      const lost = updates[1 - won];
      assert.ok(lost?.status === 'rejected' && lost.reason instanceof VersionConflict);
      const stands = await store.get(execution);
      assert.equal(stands?.version, 2);
      assert.equal(stands.status.message, messages[won]);
    });

    storeTest(
      'refuses a stale version and a missing execution without harm to writes beside them',
      async ({ store }) => {
        await store.create(newExecution('a'));
        await store.create(newExecution('b'));
        await store.update(newExecution('b'), 1, running);
        const writes = await Promise.allSettled([
          store.update(newExecution('a'), 1, running),
          store.update(newExecution('b'), 1, pending),
          store.update(newExecution('c'), 1, running),
          store.create(newExecution('d')),
        ]);
        assert.deepEqual(
          writes.map((write) => (write.status === 'fulfilled' ? 'stored' : write.reason.constructor)),
          ['stored', VersionConflict, ExecutionMissing, 'stored'],
        );
        assert.equal((await store.get(newExecution('a')))?.version, 2);
        assert.equal((await store.get(newExecution('b')))?.status.state, 'running');
        assert.equal(await store.get(newExecution('c')), undefined);
        assert.ok(await store.get(newExecution('d')));
      },
    );
  });

  describe(`${name}: list`, () => {
    storeTest('gives the newest first, by time, then namespace, then id', async ({ store }) => {
      await createAll(store, [
        newExecution('b', { createdAt: t0 + 1, namespace: 'shop' }),
        newExecution('a', { createdAt: t0 + 2 }),
        newExecution('c', { createdAt: t0 + 1 }),
        newExecution('a', { createdAt: t0 + 1, namespace: 'shop' }),
        newExecution('z', { createdAt: t0 }),
      ]);
      assert.deepEqual(await idsOf(store, {}), ['default/a', 'shop/b', 'shop/a', 'default/c', 'default/z']);
    });

    const filtered: readonly { what: string; filter: ListFilter; ids: readonly string[] }[] = [
      { what: 'one namespace', filter: { namespaces: ['shop'] }, ids: ['shop/c', 'shop/b'] },
      {
        what: 'several namespaces',
        filter: { namespaces: ['default', 'shop-eu'] },
        ids: ['default/e', 'shop-eu/d', 'default/a'],
      },
      { what: 'no namespace at all', filter: { namespaces: [] }, ids: [] },
      { what: 'a step', filter: { step: 'read-object' }, ids: ['shop-eu/d', 'shop/b'] },
      { what: 'a step that nobody has', filter: { step: 'read' }, ids: [] },
      { what: 'a final state', filter: { states: ['failed'] }, ids: ['shop-eu/d'] },
      { what: 'an unfinished state', filter: { states: ['pending'] }, ids: ['default/e', 'default/a'] },
      { what: 'final and unfinished states', filter: { states: ['running', 'succeeded'] }, ids: ['shop/c', 'shop/b'] },
      { what: 'no state at all', filter: { states: [] }, ids: [] },
      { what: 'an origin', filter: { origin: 'Application/shop/web' }, ids: ['shop-eu/d', 'shop/c', 'shop/b'] },
      { what: 'a step of an origin', filter: { origin: 'Application/shop/web/smoke' }, ids: ['shop-eu/d', 'shop/b'] },
      { what: 'an origin of another kind', filter: { origin: 'WorkflowRun/shop/web' }, ids: [] },
      {
        what: 'everything at once',
        filter: {
          namespaces: ['shop', 'default'],
          step: 'read-object',
          states: ['running'],
          origin: 'Application/shop/web',
        },
        ids: ['shop/b'],
      },
    ];
    for (const { what, filter, ids } of filtered) {
      storeTest(`gives only what the filter names: ${what}`, async ({ store }) => {
        const read = { step: 'read-object', with: {} };
        const purge = { step: 'purge-cdn', with: {} };
        const smoke = originOf('web', 'smoke');
        await createAll(store, [
          newExecution('a', { createdAt: t0, request: { ...purge, origin: originOf('web-2', 'smoke') } }),
          newExecution('b', {
            createdAt: t0 + 1,
            namespace: 'shop',
            request: { ...read, origin: smoke },
            status: running,
          }),
          newExecution('c', {
            createdAt: t0 + 2,
            namespace: 'shop',
            request: { ...purge, origin: originOf('web', 'smoke-2') },
            status: succeeded(t0 + 3),
          }),
          newExecution('d', {
            createdAt: t0 + 3,
            namespace: 'shop-eu',
            request: { ...read, origin: smoke },
            status: failed(t0 + 4),
          }),
          newExecution('e', { createdAt: t0 + 4, request: purge }),
        ]);
        assert.deepEqual(await idsOf(store, filter), ids);
      });
    }

    storeTest('follows a state that changes', async ({ store }) => {
      await store.create(newExecution('a'));
      await store.update(newExecution('a'), 1, running);
      assert.deepEqual(await idsOf(store, { states: ['pending'] }), []);
      assert.deepEqual(await idsOf(store, { states: ['running'] }), ['default/a']);
      await store.update(newExecution('a'), 2, failed(t0 + 1));
      assert.deepEqual(await idsOf(store, { states: ['running'] }), []);
      assert.deepEqual(await idsOf(store, { states: ['failed'] }), ['default/a']);
    });

    storeTest('pages give each execution once, whatever is added between them', async ({ store }) => {
      const ids = Array.from({ length: 10 }, (_, index) => `e${index}`);
      // Two of each time, so that a page also ends between executions of the same time.
      await createAll(
        store,
        ids.map((id, index) => newExecution(id, { createdAt: t0 + Math.floor(index / 2) })),
      );
      const seen: string[] = [];
      let added = 0;
      for (let token: string | undefined; ; ) {
        const page = await store.list({}, { limit: 3, ...(token === undefined ? {} : { continue: token }) });
        seen.push(...page.items.map(({ id }) => id));
        token = page.continue;
        if (token === undefined) break;
        assert.ok(seen.length < ids.length, `pages repeat themselves: ${seen}`);
        added += 1;
        await store.create(newExecution(`new${added}`, { createdAt: t0 + 100 }));
      }
      assert.equal(added, 3);
      assert.deepEqual(seen, ids.toReversed());
    });

    storeTest('names no further page when the last item is on this one', async ({ store }) => {
      await createAll(store, [newExecution('a'), newExecution('b')]);
      assert.equal((await store.list({}, { limit: 2 })).continue, undefined);
      assert.equal(typeof (await store.list({}, { limit: 1 })).continue, 'string');
    });

    storeTest('throws RangeError on a `continue` it did not make', async ({ store }) => {
      await createAll(store, [newExecution('a'), newExecution('b')]);
      const token = (await store.list({}, { limit: 1 })).continue ?? assert.fail('no second page');
      const forged = ['', 'x', '!', `${token}A`, `${token}!`, token.slice(1), Buffer.from('[]').toString('base64url')];
      for (const text of forged) {
        await assert.rejects(store.list({}, { limit: 1, continue: text }), RangeError, JSON.stringify(text));
      }
      assert.equal((await store.list({}, { limit: 1, continue: token })).items.length, 1);
    });
  });

  describe(`${name}: watch`, () => {
    storeTest('tells of each stored change, in order and as it is stored, and of nothing else', async ({ store }) => {
      const { seen, until } = watching(store);
      const expected = [
        (await store.create(newExecution('a'))).execution,
        await store.update(newExecution('a'), 1, running),
        (await store.create(newExecution('b'))).execution,
      ];
      await store.create(newExecution('b'));
      await assert.rejects(store.update(newExecution('a'), 1, pending), VersionConflict);
      await assert.rejects(store.update(newExecution('c'), 1, pending), ExecutionMissing);
      expected.push(await store.update(newExecution('a'), 2, succeeded(t0 + 2)));
      await until(expected.length);
      assert.deepEqual(seen, expected);
    });

    storeTest(
      'tells of what was written at once too, each execution in the order of its versions',
      async ({ store }) => {
        const { seen, until } = watching(store);
        const ids = Array.from({ length: 20 }, (_, index) => `e${index}`);
        await Promise.all(ids.map((id) => store.create(newExecution(id))));
        await Promise.all(ids.map((id) => store.update(newExecution(id), 1, running)));
        await until(2 * ids.length);
        for (const id of ids) {
          const versions = seen.filter((execution) => execution.id === id).map(({ version }) => version);
          assert.deepEqual(versions, [1, 2], id);
        }
      },
    );

    storeTest('shows a change to reads by the time it tells of it', async ({ store }) => {
      const { promise, resolve } = Promise.withResolvers<Execution | undefined>();
      store.watch((execution) => resolve(store.get(execution)));
      await store.create(newExecution('a'));
      assert.equal((await promise)?.id, 'a');
    });

    storeTest('tells each watcher, until it is released', async ({ store }) => {
      const first = watching(store);
      const second = watching(store);
      await store.create(newExecution('a'));
      await Promise.all([first.until(1), second.until(1)]);
      first.release();
      await store.create(newExecution('b'));
      await second.until(2);
      assert.equal(first.seen.length, 1);
    });
  });

  describe(`${name}: delete`, () => {
    storeTest('removes what stands at the version given, and tells of it as it stood', async ({ store }) => {
      const { promise: told, resolve } = Promise.withResolvers<Execution>();
      store.watch(() => {}, resolve);
      await store.create(newExecution('a'));
      await store.update(newExecution('a'), 1, running);
      await assert.rejects(store.delete(newExecution('a'), 1), VersionConflict);
      await store.delete(newExecution('a'), 2);
      assert.equal(await store.get(newExecution('a')), undefined);
      assert.equal(await store.countUnfinished(), 0);
      assert.deepEqual(await told, { ...newExecution('a'), version: 2, status: running });
      await assert.rejects(store.delete(newExecution('a'), 2), ExecutionMissing);
      assert.equal((await store.create(newExecution('a', { caller: 'another' }))).created, true);
    });
  });

  describe(`${name}: unfinishedOf`, () => {
    storeTest('gives the newest of those of the recurring step that have not ended', async ({ store }) => {
      await createAll(store, [
        newExecution('newer', { originStep: 'o', createdAt: t0 + 2, status: running }),
        newExecution('older', { originStep: 'o', createdAt: t0 + 1 }),
        newExecution('ended', { originStep: 'o', status: failed(t0 + 3) }),
        newExecution('other', { originStep: 'other' }),
        newExecution('none'),
      ]);
      assert.deepEqual(
        (await store.unfinishedOf('o', 10)).map(({ id }) => id),
        ['newer', 'older'],
      );
      await store.update(newExecution('none'), 1, { ...running, originStep: 'o' });
      await store.update(newExecution('newer'), 1, { ...failed(t0 + 4), originStep: 'o' });
      assert.deepEqual(
        (await store.unfinishedOf('o', 1)).map(({ id }) => id),
        ['older'],
      );
    });
  });

  describe(`${name}: the last execution of a recurring step`, () => {
    storeTest('is the newest succeeded one, whenever it was stored or ended', async ({ store }) => {
      assert.equal(await store.lastSucceeded('o'), undefined);
      await createAll(store, [
        newExecution('newer', { originStep: 'o', createdAt: t0 + 2, status: succeeded(t0 + 10) }),
        newExecution('older', { originStep: 'o', createdAt: t0 + 1, status: succeeded(t0 + 20) }),
        newExecution('failed', { originStep: 'o', createdAt: t0 + 3, status: failed(t0 + 21) }),
        newExecution('other', { originStep: 'other', createdAt: t0 + 4, status: succeeded(t0 + 22) }),
        newExecution('none', { createdAt: t0 + 5, status: succeeded(t0 + 23) }),
      ]);
      assert.equal((await store.lastSucceeded('o'))?.id, 'newer');
      await store.update(newExecution('failed'), 1, { ...succeeded(t0 + 30), originStep: 'o' });
      assert.equal((await store.lastSucceeded('o'))?.id, 'failed');
    });

    storeTest('is the newest with a stored intent, however it stands', async ({ store }) => {
      assert.equal(await store.lastWithIntent('o'), undefined);
      const withIntent = { ...running, effects: [openEffect] };
      await createAll(store, [
        newExecution('done', {
          originStep: 'o',
          createdAt: t0 + 1,
          status: { ...failed(t0 + 9), effects: [doneEffect] },
        }),
        newExecution('idle', { originStep: 'o', createdAt: t0 + 2, status: succeeded(t0 + 9) }),
        newExecution('other', { originStep: 'other', createdAt: t0 + 3, status: withIntent }),
      ]);
      const last = await store.lastWithIntent('o');
      assert.deepEqual(last, await store.get({ namespace: 'default', id: 'done' }));
      await store.update(newExecution('idle'), 1, { ...withIntent, originStep: 'o' });
      assert.equal((await store.lastWithIntent('o'))?.id, 'idle');
    });
  });

  describe(`${name}: unfinished`, () => {
    storeTest('gives what the engine needs of each execution that has not ended', async ({ store }) => {
      await createAll(store, [
        newExecution('new'),
        newExecution('ended', { status: succeeded(t0 + 1) }),
        newExecution('failed', { status: failed(t0 + 1) }),
        newExecution('waiting', {
          deadline: t0 + 5,
          status: { ...running, wakeAt: t0 + 3, signals: ['github:run/7', 'kubernetes:"x"'], effects: [doneEffect] },
        }),
        newExecution('sending', { namespace: 'shop', status: { ...running, effects: [doneEffect, openEffect] } }),
        newExecution('stopped', {
          status: { ...running, stop: { reason: 'Cancelled', at: t0 + 4, message: 'tester asked' } },
        }),
      ]);
      const rest = { deadline: t0 + 900_000, signals: [], hasOpenEffect: false, isStopped: false };
      assert.deepEqual(await unfinishedOf(store), [
        { namespace: 'default', id: 'new', ...rest, wakeAt: t0 },
        { namespace: 'default', id: 'stopped', ...rest, isStopped: true },
        {
          namespace: 'default',
          id: 'waiting',
          ...rest,
          deadline: t0 + 5,
          wakeAt: t0 + 3,
          signals: ['github:run/7', 'kubernetes:"x"'],
        },
        { namespace: 'shop', id: 'sending', ...rest, hasOpenEffect: true },
      ]);
      assert.equal(await store.countUnfinished(), 4);
    });

    storeTest('follows updates', async ({ store }) => {
      const execution = newExecution('a');
      await store.create({ ...execution, status: { ...running, signals: ['timer:1'], effects: [openEffect] } });
      await store.update(execution, 1, { ...running, effects: [{ ...openEffect, notSentAt: t0 + 6 }] });
      assert.deepEqual(await unfinishedOf(store), [
        { namespace: 'default', id: 'a', deadline: t0 + 900_000, signals: [], hasOpenEffect: false, isStopped: false },
      ]);
      await store.update(execution, 2, failed(t0 + 9));
      assert.deepEqual(await unfinishedOf(store), []);
      assert.equal(await store.countUnfinished(), 0);
    });
  });

  describe(`${name}: deleteFinished`, () => {
    storeTest('deletes what ended before the time given, and nothing else', async ({ store }) => {
      await createAll(store, [
        newExecution('before', { status: failed(t0 + 9) }),
        newExecution('at', { status: succeeded(t0 + 10) }),
        newExecution('running', { status: running }),
      ]);
      assert.equal(await store.deleteFinished({ before: t0 + 10 }, 100), 1);
      assert.equal(await store.get(newExecution('before')), undefined);
      assert.deepEqual(await idsOf(store, {}), ['default/running', 'default/at']);
      assert.equal(await store.deleteFinished({ before: t0 + 10 }, 100), 0);
    });

    storeTest('deletes at most as many as asked, until none is left', async ({ store }) => {
      await createAll(
        store,
        Array.from({ length: 5 }, (_, index) => newExecution(`e${index}`, { status: succeeded(t0 + index) })),
      );
      const deleted = [];
      for (let round = 0; round < 4; round += 1) deleted.push(await store.deleteFinished({ before: t0 + 100 }, 2));
      assert.deepEqual(deleted, [2, 2, 1, 0]);
    });

    storeTest('keeps the last succeeded and the last with an intent of each recurring step', async ({ store }) => {
      const withIntent = { ...failed(t0 + 10), effects: [doneEffect] };
      const of = (originStep: string, age: number) => ({ originStep, createdAt: t0 - age });
      await createAll(store, [
        newExecution('o-failed', { ...of('o', 0), status: failed(t0 + 10) }),
        newExecution('o-intent', { ...of('o', 1), status: withIntent }),
        newExecution('o-intent-older', { ...of('o', 2), status: withIntent }),
        newExecution('o-succeeded', { ...of('o', 3), status: succeeded(t0 + 10) }),
        newExecution('o-succeeded-older', { ...of('o', 4), status: { ...succeeded(t0 + 10), effects: [doneEffect] } }),
        newExecution('p-both', { ...of('p', 9), status: { ...succeeded(t0 + 10), effects: [doneEffect] } }),
        newExecution('none', { createdAt: t0 - 8, status: { ...succeeded(t0 + 10), effects: [doneEffect] } }),
      ]);
      assert.equal(await store.deleteFinished({ before: t0 + 100 }, 100), 4);
      assert.deepEqual(await idsOf(store, {}), ['default/o-intent', 'default/o-succeeded', 'default/p-both']);
    });

    storeTest('keeps one of those that share the newest time: the one that it names as last', async ({ store }) => {
      const status = { ...succeeded(t0 + 10), effects: [doneEffect] };
      await createAll(
        store,
        ['a', 'b', 'c'].map((id) => newExecution(id, { originStep: 'o', status })),
      );
      const last = [await store.lastSucceeded('o'), await store.lastWithIntent('o')];
      assert.equal(await store.deleteFinished({ before: t0 + 100 }, 100), 2);
      assert.deepEqual([await store.lastSucceeded('o'), await store.lastWithIntent('o')], last);
    });

    storeTest('keeps so many of each recurring step that ended before the time given', async ({ store }) => {
      const of = (originStep: string, age: number) => ({ originStep, createdAt: t0 - age });
      await createAll(store, [
        newExecution('o-1', { ...of('o', 1), status: failed(t0 + 50) }),
        newExecution('o-2', { ...of('o', 2), status: failed(t0 + 10) }),
        newExecution('o-3', { ...of('o', 3), status: failed(t0 + 10) }),
        newExecution('o-4', { ...of('o', 4), status: failed(t0 + 50) }),
        newExecution('o-5', { ...of('o', 5), status: failed(t0 + 10) }),
        newExecution('o-6', { ...of('o', 6), status: succeeded(t0 + 10) }),
        newExecution('o-running', { ...of('o', 7), status: running }),
        newExecution('p-1', { ...of('p', 3), status: failed(t0 + 10) }),
        newExecution('none', { createdAt: t0 - 9, status: failed(t0 + 10) }),
      ]);
      const rule = { before: t0, surplus: { perStep: 2, before: t0 + 50 } };
      assert.equal(await store.deleteFinished(rule, 1), 1);
      assert.equal(await store.deleteFinished(rule, 100), 1);
      const kept = ['o-1', 'o-2', 'p-1', 'o-4', 'o-6', 'o-running', 'none'].map((id) => `default/${id}`);
      assert.deepEqual(await idsOf(store, {}), kept);
    });

    storeTest('lets a key be used anew', async ({ store }) => {
      await store.create(newExecution('a', { status: failed(t0 + 1) }));
      await store.deleteFinished({ before: t0 + 2 }, 1);
      const { created, execution } = await store.create(newExecution('a', { caller: 'another' }));
      assert.equal(created, true);
      assert.deepEqual(await store.get(execution), { ...newExecution('a', { caller: 'another' }), version: 1 });
    });
  });

  describe(`${name}: over a life`, () => {
    storeTest('every read agrees with a plain model of all that was written', async ({ store, reopen }, test) => {
      const seed = chooseSeed();
      test.diagnostic(`seed ${seed}`);
      const life = new RandomLife(seededRandom(seed), contractNamespaces);
      for (let round = 0; round < 8; round += 1) {
        for (let turn = 0; turn < 8; turn += 1) await life.writeTo(store);
        await life.compareWith(store);
      }
      if (reopen) await life.compareWith(await reopen());
    });

    storeTest('a closed store refuses to read and to write, and closing it again does nothing', async ({ store }) => {
      await store.create(newExecution('a'));
      await store.close();
      await assert.rejects(store.create(newExecution('b')));
      await assert.rejects(store.update(newExecution('a'), 1, running));
      await assert.rejects(store.deleteFinished({ before: t0 }, 1));
      await assert.rejects(store.get(newExecution('a')));
      await assert.rejects(store.list({}, { limit: 1 }));
      await store.close();
    });
  });
}

function originOf(name: string, step = 'purge'): Origin {
  return { kind: 'Application', namespace: 'shop', name, step, sessionID: 's1' };
}

async function createAll(store: ExecutionStore, executions: readonly Parameters<ExecutionStore['create']>[0][]) {
  const answers = await Promise.all(executions.map((execution) => store.create(execution)));
  assert.ok(answers.every(({ created }) => created));
}

async function idsOf(store: ExecutionStore, filter: ListFilter): Promise<string[]> {
  const { items } = await store.list(filter, { limit: 100 });
  return items.map(({ namespace, id }) => `${namespace}/${id}`);
}

/** In the order of their keys, since the contract names none. */
async function unfinishedOf(store: ExecutionStore): Promise<UnfinishedEntry[]> {
  return inKeyOrder((await unfinishedBlocks(store)).flat());
}

/** Collects what a watcher is told; `until` resolves when it was told that many. */
function watching(store: ExecutionStore) {
  const seen: Execution[] = [];
  let wanted = Number.POSITIVE_INFINITY;
  let reached = () => {};
  const release = store.watch((execution) => {
    seen.push(execution);
    if (seen.length >= wanted) reached();
  });
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      wanted = count;
      reached = resolve;
      if (seen.length >= count) resolve();
    });
  return { seen, until, release };
}
