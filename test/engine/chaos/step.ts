import assert from 'node:assert/strict';
import type { Effect } from '../../../src/core/effect.ts';
import { type Execution, isOpen, keyText, type Repeat } from '../../../src/core/execution.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import { limits } from '../../../src/core/limits.ts';
import type { Outcome, SendRange, Step, StepContext } from '../../../src/core/step.ts';
import type { SeededRandom } from '../../support/seeded-random.ts';
import { toyStep } from '../workbench.ts';
import type { ChaosProcess } from './process.ts';
import { type ChaosProvider, latestArrivalMs, longestHiddenMs } from './provider.ts';

/** What an execution is to do; its parameters, so that each start of it does the same. */
export type Plan = {
  /** One after the other, those of a list side by side. */
  readonly groups: readonly (readonly PlannedEffect[])[];
  readonly bulkItems: number;
  readonly undo: Repeat | 'nothing';
};
type PlannedEffect = { readonly name: string; readonly repeat: Repeat; readonly resend: boolean };

export function randomPlan(random: SeededRandom): Plan {
  let count = 0;
  const groups = Array.from({ length: 1 + random.below(3) }, () =>
    Array.from({ length: 1 + random.below(2) }, () => ({
      name: `effect-${count++}`,
      repeat: random.pick<Repeat>(['safe', 'keyed', 'find', 'find']),
      resend: random.chance(0.2),
    })),
  );
  return { groups, bulkItems: random.below(30), undo: random.pick<Plan['undo']>(['nothing', 'safe', 'keyed', 'find']) };
}

export const bulkName = 'bulk';
export const undoName = 'undo';
const graceMs = latestArrivalMs + longestHiddenMs + 30_000;
/** How much later than its deadline an advance may still send: it was begun before. */
const lateMs = limits.advanceMs;
/** How much later than the stop bulk work may go on: a slice at most, since only its checkpoints tell it. */
const bulkLateMs = 11_000;

export interface StepParts {
  readonly provider: ChaosProvider;
  readonly random: SeededRandom;
  /** As last committed. */
  readonly committed: ReadonlyMap<string, Execution>;
  readonly process: ChaosProcess;
  readonly marks: Map<string, string>;
  /** Takes what must never be: thrown into the engine, it would be a failure of the step, and tried again. */
  readonly report: (violation: Error) => void;
}

/** Does what its parameters plan, throws and hangs at times, and holds each send to what must have been stored before. */
export function chaosStep(parts: StepParts): Step {
  const { provider, random } = parts;
  return toyStep(async (context, params) => {
    const { groups, bulkItems, undo } = params as unknown as Plan;
    if (random.chance(0.05)) throw new Error('a read failed');
    if (random.chance(0.02)) await new Promise(() => {});
    if (context.stop !== undefined) return stopped(context, undo);
    for (const [index, group] of groups.entries()) {
      const all = await Promise.all(group.map((planned) => context.effect(planned.name, effectOf(context, planned))));
      for (const settled of all) if ('stop' in settled) return settled.stop;
      if (typeof context.state !== 'number' || context.state < index) {
        return {
          kind: 'waiting',
          message: `after ${index}`,
          until: context.now() + random.below(20_000),
          state: index,
        };
      }
    }
    const items = {
      count: bulkItems,
      digest: 'same',
      batchSize: 1 + random.below(7),
      concurrency: 1 + random.below(3),
    };
    const bulk = await context.progress(bulkName, items, bulkOf(context));
    if ('stop' in bulk) return bulk.stop;
    reporting(() => assert.deepEqual(bulk.done.done, bulkItems === 0 ? [] : [[0, bulkItems]]));
    return { kind: 'succeeded', outputs: {} };
  });

  async function stopped(context: StepContext, undo: Plan['undo']): Promise<Outcome> {
    const { stop, execution } = context;
    assert.ok(stop !== undefined);
    if (undo !== 'nothing' && execution.status.effects.length > 0) {
      const undone = await context.effect(undoName, effectOf(context, { name: undoName, repeat: undo, resend: false }));
      if ('stop' in undone) return undone.stop;
    }
    return { kind: 'failed', reason: stop.reason, message: stop.message };
  }

  function effectOf(context: StepContext, planned: PlannedEffect): Effect<JsonObject, JsonObject> {
    const { name, repeat, resend } = planned;
    return {
      repeat,
      request: { name },
      prepare: async () => {
        if (random.chance(0.1)) throw new Error('no evidence');
        return { name };
      },
      send(intent) {
        const key = `${context.execution.id}/${name}`;
        reporting(() => {
          assertMaySend(context, name);
          assert.deepEqual([intent.request, intent.evidence], [{ name }, { name }]);
          assert.equal(parts.marks.get(key) ?? intent.mark, intent.mark, 'the mark is always the same');
        });
        parts.marks.set(key, intent.mark);
        return parts.process.alive(provider.send(intent, { isKeyed: repeat === 'keyed' }));
      },
      find: (intent) => parts.process.alive(provider.find(intent)),
      graceMs,
      onUncertain: resend ? 'resend' : 'fail',
    };
  }

  function bulkOf(context: StepContext): SendRange {
    return async ({ start, end }) => {
      reporting(() => {
        assertMaySend(context, bulkName);
        assert.ok(start < end);
      });
      const marks = Array.from({ length: end - start }, (_, index) => itemMark(context.execution.id, start + index));
      for (const mark of marks) await parts.process.alive(provider.send({ mark }, { isKeyed: true }));
      return random.chance(0.1) ? { failed: [{ index: start, message: 'bad' }] } : { receipt: start };
    };
  }

  function reporting(check: () => void): void {
    try {
      check();
    } catch (violation) {
      parts.report(violation as Error);
    }
  }

  function assertMaySend(context: StepContext, name: string): void {
    assert.equal(parts.process.isDead, false, 'the dead send nothing');
    const execution = parts.committed.get(keyText(context.execution));
    const record = execution?.status.effects.find((effect) => effect.name === name);
    assert.ok(
      execution !== undefined && record !== undefined && isOpen(record),
      `${name}: sent without a stored intent`,
    );
    if (name === undoName) return;
    const { stop } = execution.status;
    const latest = stop === undefined ? execution.deadline + lateMs : name === bulkName ? stop.at + bulkLateMs : 0;
    assert.ok(context.now() <= latest, `${name}: sent after the stop`);
  }
}

export function itemMark(id: string, index: number): string {
  return `${id}/${bulkName}/${index}`;
}
