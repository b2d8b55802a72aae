import { type TSchema, Type } from '@sinclair/typebox';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { ChangeGate } from '../../src/core/change-gate.ts';
import type { AnyConnectionType, ConnectionSettings } from '../../src/core/connection.ts';
import type { Effect } from '../../src/core/effect.ts';
import { type Execution, isFinal } from '../../src/core/execution.ts';
import type { Holding } from '../../src/core/holding.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import type { Origins } from '../../src/core/origin.ts';
import type { ReadyGate } from '../../src/core/ready-gate.ts';
import type { SignalSource } from '../../src/core/signal.ts';
import { defineStep, type Outcome, type Step, type StepContext } from '../../src/core/step.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import type { Clock } from '../../src/core/time.ts';
import { createEngine, type Engine } from '../../src/engine/engine.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { ManualClock } from '../support/manual-clock.ts';

type Advance = (context: StepContext, params: JsonObject) => Promise<Outcome>;

/** A step whose advance is the test's own; it takes any parameters. */
export function toyStep(advance: Advance, changes: Partial<Step> = {}): Step {
  return {
    ...defineStep({
      name: 'toy',
      description: 'For tests.',
      params: Type.Object({}, { additionalProperties: true }) as TSchema,
      outputs: Type.Object({}, { additionalProperties: true }) as TSchema,
      defaultTimeout: '10m',
      advance: (context, params) => advance(context, params as JsonObject),
    }),
    ...changes,
  };
}

/** Carries one effect named `write` through, and ends with its result. */
export function effectStep(effect: (context: StepContext) => Effect<JsonObject, JsonObject>): Step {
  return toyStep(async (context) => {
    const settled = await context.effect('write', effect(context));
    return 'done' in settled ? { kind: 'succeeded', outputs: settled.done } : settled.stop;
  });
}

export interface WorkbenchOptions {
  readonly steps: readonly Step[];
  /** Default: everything is ready. */
  readonly readyGate?: ReadyGate;
  /** Default: sees the key, and nothing else. */
  readonly changeGate?: ChangeGate;
  readonly origins?: Origins;
  readonly holding?: Holding;
  readonly sources?: readonly SignalSource[];
  readonly connectionTypes?: readonly AnyConnectionType[];
  readonly connections?: readonly ConnectionSettings[];
  readonly store?: ExecutionStore;
  readonly clock?: ManualClock;
  /** What the engine sees of the clock. Default: all. */
  readonly engineClock?: Clock;
  /** Default: half of each backoff. */
  readonly random?: () => number;
}

const openGate: ReadyGate = { check: () => [], uses: () => [], advance: async () => 'ready' };

const keyGate: ChangeGate = {
  check: () => [],
  uses: () => [],
  look: async (_context, { key = null }) => ({ seen: { evidence: key as Json, value: key as Json } }),
};

/** A real engine on a real store, on a clock that the test moves. */
export async function openWorkbench(options: WorkbenchOptions) {
  const clock = options.clock ?? new ManualClock();
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const registry = new Registry();
  const store = options.store ?? (await openSqliteStore({ path: ':memory:' }));
  const engine: Engine = createEngine({
    store,
    steps: options.steps,
    readyGate: options.readyGate ?? openGate,
    changeGate: options.changeGate ?? keyGate,
    origins: options.origins,
    holding: options.holding,
    sources: options.sources ?? [],
    connectionTypes: options.connectionTypes ?? [],
    connections: options.connections ?? [],
    tools: {
      clock: options.engineClock ?? clock,
      log,
      fetch: () => Promise.reject(new Error('no network here')),
      credential: (path) => ({ path, read: () => Promise.reject(new Error('no files here')) }),
    },
    log,
    registry,
    keepFinishedMs: 7 * 86_400_000,
    random: options.random ?? (() => 0.5),
  });
  await engine.recover();
  engine.start();

  /** The first stored state for which the test is true, also if it stands already. */
  async function until(id: string, isMet: (execution: Execution) => boolean): Promise<Execution> {
    const { promise, resolve } = Promise.withResolvers<Execution>();
    const release = store.watch((execution) => {
      if (execution.id === id && isMet(execution)) resolve(execution);
    });
    const stands = await store.get({ namespace: 'default', id });
    if (stands !== undefined && isMet(stands)) resolve(stands);
    return promise.finally(release);
  }

  return {
    clock,
    store,
    engine,
    registry,
    until,
    submit: (id: string, params: JsonObject = {}, more: JsonObject = {}) =>
      engine.accept({ namespace: 'default', id, caller: 'tester', body: { step: 'toy', with: params, ...more } }),
    ended: (id: string) => until(id, ({ status }) => isFinal(status.state)),
    /** Lets pass what is due now, without moving the clock. */
    settled: async () => {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    },
    async close() {
      await engine.close();
      await store.close();
    },
  };
}
