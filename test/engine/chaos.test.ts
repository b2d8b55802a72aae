import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type Execution, isFinal, keyText } from '../../src/core/execution.ts';
import { Problem } from '../../src/core/problem.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { chooseSeed, type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { ChaosProcess } from './chaos/process.ts';
import { ChaosProvider } from './chaos/provider.ts';
import { chaosStep, itemMark, type Plan, randomPlan } from './chaos/step.ts';
import { openWorkbench } from './workbench.ts';

const executions = 6;
const rounds = 80;
/** By then every deadline, grace and stop is over, and the backoffs with them. */
const longestAfterMs = 3_600_000;
/** AFTERSYNC_TEST_RUNS: how many seeds, for a long search. */
const runs = Number(process.env.AFTERSYNC_TEST_RUNS ?? 25);

test(`whatever fails: every execution ends, nothing is done twice, and nothing without an intent or after a stop`, async (t) => {
  const first = chooseSeed();
  t.diagnostic(`seeds ${first} to ${first + runs - 1}`);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  for (let seed = first; seed < first + runs; seed++) {
    await runSeed(seed).catch((cause) => {
      throw new Error(`seed ${seed}: ${cause.message}`, { cause });
    });
    assert.deepEqual(unhandled, [], `seed ${seed}`);
  }
});

async function runSeed(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const world = await openWorld(random);
  for (let round = 0; round < rounds; round++) await world.playRound();
  await world.playOut();
  await world.assertSound();
  await world.store.close();
}

/** Whether nothing of what was stored before is lost: no end, no stop and no result. */
function goesOn({ version, status: before }: Execution, { version: next, status: after }: Execution): boolean {
  const results = before.effects.filter(({ result }) => result !== undefined);
  const areKept = results.every(({ name, result }) => {
    const kept = after.effects.find((effect) => effect.name === name);
    return isDeepStrictEqual(kept?.result, result);
  });
  // A deadline that had passed before a cancel takes its place.
  const isStopKept = before.stop === undefined || (after.stop !== undefined && after.stop.at <= before.stop.at);
  return next === version + 1 && !isFinal(before.state) && isStopKept && areKept;
}

async function openWorld(random: SeededRandom) {
  const clock = new ManualClock();
  const store = await openSqliteStore({ path: ':memory:' });
  const provider = new ChaosProvider(clock, random);
  const committed = new Map<string, Execution>();
  const marks = new Map<string, string>();
  const failures: Error[] = [];
  const report = (violation: Error) => void failures.push(violation);
  store.watch((execution) => {
    const before = committed.get(keyText(execution));
    if (before !== undefined && !goesOn(before, execution)) {
      report(new Error(`${execution.id} forgets: ${JSON.stringify([before.status, execution.status])}`));
    }
    committed.set(keyText(execution), execution);
  });
  const plans = new Map<string, Plan>(
    Array.from({ length: executions }, (_, index) => [`e${index}`, randomPlan(random)]),
  );
  const timeouts = new Map([...plans.keys()].map((id) => [id, `${30 + random.below(600)}s`]));
  let isStoreFaulty = true;
  let { living, bench } = await start();

  async function start() {
    const living = new ChaosProcess({ store, clock, random, isStoreFaulty: () => isStoreFaulty });
    const step = chaosStep({ provider, random, committed, marks, process: living, report });
    const bench = await openWorkbench({
      steps: [step],
      store: living.store,
      clock,
      engineClock: living.clock,
      random: () => random.below(1_000) / 1_000,
    });
    return { living, bench };
  }

  async function settle() {
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
    const [failure] = failures;
    if (failure !== undefined) throw failure;
  }

  /** Problems are answers too. */
  async function ask(work: Promise<unknown>) {
    work.catch((error: unknown) => {
      if (!(error instanceof Problem)) report(error as Error);
    });
  }

  function submit(id: string) {
    return ask(bench.submit(id, { ...plans.get(id) }, { timeout: timeouts.get(id) ?? '' }));
  }

  async function restart() {
    if (random.chance(0.5)) living.kill();
    else {
      const closed = bench.engine.close().then(() => living.kill());
      for (let i = 0; i < 100 && !living.isDead; i++) {
        await settle();
        clock.advance(5_000);
      }
      assert.ok(living.isDead, 'closing has an end');
      await closed;
    }
    ({ living, bench } = await start());
  }

  return {
    store,
    async playRound() {
      const id = `e${random.below(executions)}`;
      const dice = random.below(20);
      if (dice < 6) await submit(id);
      else if (dice < 8) await ask(bench.engine.cancel({ namespace: 'default', id }, 'chaos'));
      else if (dice < 10) await restart();
      else if (dice < 14) clock.advance(random.below(2_000));
      else if (dice < 17) clock.advance(random.below(30_000));
      await settle();
    },

    /** Whoever did not get an answer has asked again; then only time passes. */
    async playOut() {
      isStoreFaulty = false;
      for (const id of plans.keys()) await submit(id);
      const isOver = () => [...committed.values()].every(({ status }) => isFinal(status.state));
      for (
        let passedMs = 0;
        passedMs < longestAfterMs && !(committed.size === executions && isOver());
        passedMs += 5_000
      ) {
        await settle();
        clock.advance(5_000);
      }
      // A write that is to be tried again, and what the backoff of a turn puts off.
      for (let passedMs = 0; passedMs < 120_000; passedMs += 5_000) {
        await settle();
        clock.advance(5_000);
      }
    },

    async assertSound() {
      assert.equal(committed.size, executions);
      for (const { id, status } of committed.values()) {
        assert.ok(isFinal(status.state), `${id} never ends: ${JSON.stringify(status)}`);
        const plan = plans.get(id) as Plan;
        for (const { name, repeat, resend } of plan.groups.flat()) {
          const times = provider.count(marks.get(`${id}/${name}`) ?? '');
          const record = status.effects.find((effect) => effect.name === name);
          if (repeat === 'keyed' || (repeat === 'find' && !resend))
            assert.ok(times <= 1, `${id}/${name}: done ${times} times`);
          if (record?.result !== undefined) assert.ok(times > 0, `${id}/${name}: only said to be done`);
          if (status.state === 'succeeded') assert.ok(times > 0, `${id}/${name}: never done`);
        }
        if (status.state !== 'succeeded') continue;
        for (let index = 0; index < plan.bulkItems; index++) {
          assert.equal(provider.count(itemMark(id, index)), 1, `${id}: item ${index}`);
        }
      }
      const { values } = (await bench.registry.getSingleMetric('aftersync_executions_unfinished')?.get()) ?? {};
      assert.equal(values?.[0]?.value, 0, 'the engine has forgotten all that ended');
      const closed = bench.engine.close().then(() => living.kill());
      for (let i = 0; i < 100 && !living.isDead; i++) {
        await settle();
        clock.advance(5_000);
      }
      assert.ok(living.isDead, 'closing has an end');
      await closed;
    },
  };
}
