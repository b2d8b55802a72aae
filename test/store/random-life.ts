import assert from 'node:assert/strict';
import {
  type EffectRecord,
  type ExecutionKey,
  type ExecutionStatus,
  executionStates,
  isFinal,
  keyText,
} from '../../src/core/execution.ts';
import {
  ExecutionMissing,
  type ExecutionStore,
  type ListFilter,
  type NewExecution,
  VersionConflict,
} from '../../src/core/store.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { doneEffect, newExecution, openEffect, pending, t0 } from './sample-executions.ts';
import { inKeyOrder, StoreModel } from './store-model.ts';
import { unfinishedBlocks } from './unfinished-blocks.ts';

const ids = 24;
/** Few, so that many executions share one. */
const times = 20;
const steps = ['purge-cdn', 'read-object'] as const;
const apps = ['web', 'web-2', 'web0'] as const;
const originSteps = ['o', 'p'] as const;
const effects: readonly [EffectRecord, ...EffectRecord[]] = [
  doneEffect,
  openEffect,
  { ...openEffect, notSentAt: t0 + 6, notBefore: t0 + 60 },
  { ...openEffect, rejected: { reason: 'EffectFailed', message: 'no' } },
];

/** Random writes, made on a store and on the model of it, and the comparison of all that the two can be asked. */
export class RandomLife {
  readonly #random: SeededRandom;
  readonly #namespaces: readonly [string, ...string[]];
  readonly #model = new StoreModel();

  constructor(random: SeededRandom, namespaces: readonly [string, ...string[]]) {
    this.#random = random;
    this.#namespaces = namespaces;
  }

  /** Several writes at once, to different keys, so that their order does not matter; now and then a deletion. */
  async writeTo(store: ExecutionStore): Promise<void> {
    const keys = new Map<string, ExecutionKey>();
    for (let count = 1 + this.#random.below(8); count > 0; count -= 1) {
      const key = this.#key();
      keys.set(keyText(key), key);
    }
    await Promise.all(
      [...keys.values()].map((key) => (this.#random.chance(0.4) ? this.#create(store, key) : this.#update(store, key))),
    );
    if (this.#random.chance(0.2)) await this.#deleteFinished(store);
    if (this.#random.chance(0.1)) await this.#delete(store, this.#key());
  }

  async compareWith(store: ExecutionStore): Promise<void> {
    const model = this.#model;
    for (const execution of model.list()) assert.deepEqual(await store.get(execution), execution);
    const unfinished = (await unfinishedBlocks(store)).flat();
    assert.deepEqual(inKeyOrder(unfinished), model.unfinished());
    assert.equal(await store.countUnfinished(), unfinished.length);
    for (const originStep of originSteps) {
      assert.deepEqual(await store.lastSucceeded(originStep), model.lastSucceeded(originStep));
      assert.deepEqual(await store.lastWithIntent(originStep), model.lastWithIntent(originStep));
      assert.deepEqual(await store.unfinishedOf(originStep, 3), model.unfinishedOf(originStep, 3));
    }
    assert.deepEqual(await this.#listAll(store, {}), model.list());
    for (let count = 0; count < 10; count += 1) {
      const filter = this.#filter();
      assert.deepEqual(await this.#listAll(store, filter), model.list(filter), JSON.stringify(filter));
    }
  }

  async #create(store: ExecutionStore, key: ExecutionKey): Promise<void> {
    const present = this.#model.get(key);
    const execution = this.#execution(key);
    const expected = present
      ? { created: false, execution: present }
      : { created: true, execution: { ...execution, version: 1 } };
    this.#model.put(expected.execution);
    assert.deepEqual(await store.create(execution), expected);
  }

  async #update(store: ExecutionStore, key: ExecutionKey): Promise<void> {
    const present = this.#model.get(key);
    const status = this.#status();
    if (!present) return assert.rejects(store.update(key, 1, status), ExecutionMissing);
    if (this.#random.chance(0.2))
      return assert.rejects(store.update(key, present.version - 1, status), VersionConflict);
    const expected = { ...present, version: present.version + 1, status };
    this.#model.put(expected);
    assert.deepEqual(await store.update(key, present.version, status), expected);
  }

  async #delete(store: ExecutionStore, key: ExecutionKey): Promise<void> {
    const present = this.#model.get(key);
    if (!present) return assert.rejects(store.delete(key, 1), ExecutionMissing);
    await store.delete(key, present.version);
    this.#model.delete(key);
  }

  async #deleteFinished(store: ExecutionStore): Promise<void> {
    const surplus = { perStep: 1 + this.#random.below(3), before: this.#time() };
    const rule = { before: this.#time(), ...(this.#random.chance(0.5) ? { surplus } : {}) };
    const limit = 1 + this.#random.below(4);
    const deletable = this.#model.deletable(rule);
    const deleted = await store.deleteFinished(rule, limit);
    // What goes for its age makes room among the newest of its step, so that less may be surplus by then.
    const old = this.#model.deletable({ before: rule.before });
    assert.ok(deleted >= Math.min(limit, old.length), `${deleted} were deleted of ${old.length} old ones`);
    assert.ok(deleted <= Math.min(limit, deletable.length), `${deleted} were deleted of ${deletable.length}`);
    // Which ones it chose among those it may delete is its own affair.
    for (const execution of deletable) if (!(await store.get(execution))) this.#model.delete(execution);
  }

  async #listAll(store: ExecutionStore, filter: ListFilter) {
    const limit = 1 + this.#random.below(10);
    const items = [];
    for (let token: string | undefined; ; ) {
      const page = await store.list(filter, { limit, ...(token === undefined ? {} : { continue: token }) });
      assert.ok(page.items.length <= limit);
      items.push(...page.items);
      assert.ok(items.length <= ids * this.#namespaces.length, 'pages repeat themselves');
      token = page.continue;
      if (token === undefined) return items;
    }
  }

  #execution(key: ExecutionKey): NewExecution {
    const random = this.#random;
    const step = random.pick(steps);
    const name = random.pick(apps);
    const origin = {
      kind: 'Application',
      namespace: 'shop',
      name,
      step: random.pick(originSteps),
      sessionID: key.id,
    } as const;
    return newExecution(key.id, {
      ...key,
      request: { step, with: { tags: [name] }, ...(random.chance(0.7) ? { origin } : {}) },
      createdAt: this.#time(),
      deadline: this.#time(),
      status: random.chance(0.7) ? pending : this.#status(),
    });
  }

  #status(): ExecutionStatus {
    const random = this.#random;
    const state = random.pick(executionStates);
    return {
      ...pending,
      state,
      message: `message ${random.below(1_000)}`,
      attempts: random.below(3),
      effects: Array.from({ length: random.below(3) }, () => random.pick(effects)),
      signals: Array.from({ length: random.below(3) }, () => `github:run/${random.below(100)}`),
      ...(isFinal(state) ? { finishedAt: this.#time() } : {}),
      ...(random.chance(0.7) ? { originStep: random.pick(originSteps) } : {}),
      ...(random.chance(0.5) ? { wakeAt: this.#time() } : {}),
      ...(random.chance(0.3) ? { stop: { reason: 'Cancelled', at: this.#time(), message: 'tester asked' } } : {}),
    };
  }

  #filter(): ListFilter {
    const random = this.#random;
    const origin = `Application/shop/${random.pick(apps)}`;
    return {
      ...(random.chance(0.3) ? { namespaces: this.#namespaces.filter(() => random.chance(0.5)) } : {}),
      ...(random.chance(0.3) ? { step: random.pick(steps) } : {}),
      ...(random.chance(0.3) ? { states: executionStates.filter(() => random.chance(0.5)) } : {}),
      ...(random.chance(0.3) ? { origin: random.chance(0.5) ? origin : `${origin}/${random.pick(originSteps)}` } : {}),
    };
  }

  #key(): ExecutionKey {
    return { namespace: this.#random.pick(this.#namespaces), id: `e${this.#random.below(ids)}` };
  }

  #time(): number {
    return t0 + this.#random.below(times);
  }
}
