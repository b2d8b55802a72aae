import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { AnyConnectionType, ConnectionSettings, ProviderTools } from '../core/connection.ts';
import { type Execution, type ExecutionKey, isFinal } from '../core/execution.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import type { ReadyGate } from '../core/ready-gate.ts';
import type { SignalSource } from '../core/signal.ts';
import type { Plan, Step } from '../core/step.ts';
import { type ExecutionStore, VersionConflict } from '../core/store.ts';
import { assertSameRequest, checkedParams, knownStep, toNewExecution, tooMany } from './accept.ts';
import { type AdvanceParts, takeTurn } from './advance.ts';
import { Connections } from './connections.ts';
import { createEngineMetrics } from './metrics.ts';
import { recover } from './recover.ts';
import { startRetention } from './retention.ts';
import { retryId } from './retry-id.ts';
import { createStop } from './stop.ts';
import { Turns } from './turns.ts';

/** A request as it arrived, with the identity that the way in gave it. */
export interface Submission extends ExecutionKey {
  /** The parsed body; checked here. */
  readonly body: unknown;
  readonly caller: string;
}

/** What the ways in (HTTP, the command line, hooks) ask of the engine. Every refusal is a Problem. */
export interface Engine {
  readonly steps: readonly Step[];
  /** Records it, or returns the one that stands under this key; resolves when that is durable. */
  accept(submission: Submission): Promise<{ readonly created: boolean; readonly execution: Execution }>;
  /** Stores a stop. Problems: not-found, already-final. */
  cancel(key: ExecutionKey, caller: string): Promise<Execution>;
  /** Creates `<id>-r<n>` with the same request. Problems: not-found, not-final, origin-owned. */
  retry(key: ExecutionKey, caller: string): Promise<Execution>;
  /** Problems: unknown-step, invalid-parameters, plan-not-supported, unknown-connection, forbidden. */
  plan(request: { readonly step: string; readonly namespace: string; readonly with: JsonObject }): Promise<Plan>;
  /** Indexes all that has not ended and subscribes to what it waits for. Nothing advances yet. */
  recover(): Promise<void>;
  /** Begins to advance, what was perhaps sent first. */
  start(): void;
  /** Sends nothing new, waits for what is being sent, and leaves the rest to the next start. */
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly store: ExecutionStore;
  readonly steps: readonly Step[];
  /** Looks after the `readyWhen` of requests. */
  readonly readyGate: ReadyGate;
  readonly sources: readonly SignalSource[];
  readonly connectionTypes: readonly AnyConnectionType[];
  readonly connections: readonly ConnectionSettings[];
  readonly tools: ProviderTools;
  readonly log: Logger;
  readonly registry: Registry;
  readonly keepFinishedMs: number;
  readonly random?: () => number;
}

/** How many executions advance at once: enough to fill the providers' limits, few enough to stay small in memory. */
const concurrentAdvances = 128;

export function createEngine(options: EngineOptions): Engine {
  const { store, log, tools } = options;
  const { clock } = tools;
  const steps = new Map(options.steps.map((step) => [step.name, step]));
  const connections = new Connections({ settings: options.connections, types: options.connectionTypes, tools });
  const { readyGate } = options;
  const catalogue = { steps, connections, readyGate };
  const closing = new AbortController();
  const turns: Turns = new Turns({
    clock,
    log,
    sources: [...options.sources, ...connections.sources()],
    concurrency: concurrentAdvances,
    advance: (turn) => takeTurn(turns, turn, parts),
  });
  const metrics = createEngineMetrics(options.registry, () => ({
    unfinished: turns.size,
    queued: turns.queued,
    advancing: turns.advancing,
  }));
  const random = options.random ?? Math.random;
  const parts: AdvanceParts = {
    store,
    steps,
    readyGate,
    connections,
    clock,
    log,
    metrics,
    random,
    closing: closing.signal,
  };
  let stopRetention = () => {};

  async function found(key: ExecutionKey): Promise<Execution> {
    const execution = await store.get(key);
    if (execution !== undefined) return execution;
    throw new Problem('not-found', `there is no execution ${key.namespace}/${key.id}`);
  }

  async function accept(submission: Submission) {
    const known = turns.size >= limits.unfinishedExecutions ? await store.get(submission) : undefined;
    if (known === undefined && turns.size >= limits.unfinishedExecutions) throw tooMany();
    const { created, execution } =
      known === undefined
        ? await recorded(store.create(toNewExecution(submission, catalogue, clock.now())))
        : { created: false, execution: known };
    if (!created) assertSameRequest(submission, execution);
    // Also one that stands there: its creation may have been recorded although the store said that it failed.
    const { deadline, createdAt, status } = execution;
    if (!isFinal(status.state)) turns.add(execution, { deadline, at: createdAt, signals: [] });
    return { created, execution };
  }

  /** Whoever asks can ask again, and finds what should have been recorded after all. */
  async function recorded<T>(write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (cause) {
      if (cause instanceof VersionConflict) throw cause;
      const detail = 'this could not be recorded; send the same request again';
      throw new Problem('unavailable', detail, { cause, retryAfterSeconds: 1 });
    }
  }

  async function cancel(key: ExecutionKey, caller: string): Promise<Execution> {
    for (;;) {
      const execution = await found(key);
      const { status } = execution;
      if (isFinal(status.state)) throw new Problem('already-final', `${key.namespace}/${key.id} is ${status.state}`);
      const wish = { reason: 'Cancelled', at: clock.now(), message: `cancelled by ${caller}` } as const;
      try {
        const stopped =
          status.stop === undefined
            ? await recorded(store.update(key, execution.version, { ...status, stop: createStop(status, wish) }))
            : execution;
        // Again for one that was stopped before: its stop may have been recorded although the store said that it failed.
        turns.raise(key);
        return stopped;
      } catch (error) {
        if (!(error instanceof VersionConflict)) throw error;
      }
    }
  }

  async function retry(key: ExecutionKey, caller: string): Promise<Execution> {
    const { request, requestDigest, status } = await found(key);
    if (request.origin !== undefined) {
      const { name, namespace } = request.origin;
      throw new Problem(
        'origin-owned',
        `this belongs to a workflow; run it again with: vela workflow restart ${name} -n ${namespace}`,
      );
    }
    if (!isFinal(status.state)) throw new Problem('not-final', `${key.namespace}/${key.id} is ${status.state}`);
    for (let n = 1; ; n++) {
      const again = { namespace: key.namespace, id: retryId(key.id, n) };
      const execution = (await store.get(again)) ?? (await accept({ ...again, body: request, caller })).execution;
      // One that stands there already and has not ended: asked twice, and one retry at a time is what was meant.
      const isTheSame = execution.requestDigest === requestDigest && execution.caller === caller;
      if (isTheSame && !isFinal(execution.status.state)) return execution;
    }
  }

  return {
    steps: options.steps,
    accept,
    cancel,
    retry,
    async plan({ step: name, namespace, with: given }) {
      const step = knownStep(name, catalogue);
      if (step.plan === undefined) throw new Problem('plan-not-supported', `step ${name} has no dry run`);
      const params = checkedParams(step, given, '/with');
      const uses = step.uses?.(params) ?? [];
      for (const use of uses) connections.assertKnown(use);
      return await step.plan(
        {
          log,
          now: () => clock.now(),
          connection: connections.opener({ user: name, uses, namespace }),
        },
        params,
      );
    },
    async recover() {
      await recover(store, turns, clock, random);
    },
    start() {
      turns.start();
      stopRetention = startRetention(store, clock, log, options.keepFinishedMs);
    },
    async close() {
      stopRetention();
      closing.abort();
      await turns.close();
      await connections.close();
    },
  };
}
