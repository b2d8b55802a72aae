import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ChangeGate } from '../core/change-gate.ts';
import type { AnyConnectionType, ConnectionSettings, ProviderTools } from '../core/connection.ts';
import { type Execution, type ExecutionKey, isFinal, type Stop } from '../core/execution.ts';
import type { Holding } from '../core/holding.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Origins } from '../core/origin.ts';
import { Problem } from '../core/problem.ts';
import type { ReadyGate } from '../core/ready-gate.ts';
import type { SignalSource } from '../core/signal.ts';
import type { Plan, Step } from '../core/step.ts';
import { type ExecutionStore, ExecutionTooLarge } from '../core/store.ts';
import type { TeamConnections } from '../core/team-connections.ts';
import { assertSameRequest, checkedParams, isSameRequest, knownStep, toNewExecution, tooMany } from './accept.ts';
import { type AdvanceParts, takeTurn } from './advance.ts';
import { Connections } from './connections.ts';
import { EndedExecutions } from './ended-executions.ts';
import { createEngineMetrics } from './metrics.ts';
import { refusedPlan } from './refused-plan.ts';
import { startRetention } from './retention.ts';
import { retryId } from './retry-id.ts';
import { Shares } from './shares.ts';
import { storeStop } from './stop.ts';
import { Turns } from './turns.ts';
import { Unproven } from './unproven.ts';
import { wakeOthers } from './wake.ts';

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
  /**
   * Something outside tells that what these signals stand for may have changed. Resolves when everybody who waits for one
   * will look, also in other processes. Problem: unavailable.
   */
  wake(signals: readonly string[]): Promise<void>;
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
  /** Looks after their `onChange`. */
  readonly changeGate: ChangeGate;
  /** Proves and follows workflow origins; without it they are taken at their word. */
  readonly origins?: Origins | undefined;
  /** Shares the executions out among the processes of one store; without it all are this one's. */
  readonly holding?: Holding | undefined;
  readonly sources: readonly SignalSource[];
  readonly connectionTypes: readonly AnyConnectionType[];
  readonly connections: readonly ConnectionSettings[];
  /** Where namespaces bring connections of their own; absent: nowhere. */
  readonly teamConnections?: TeamConnections | undefined;
  readonly tools: ProviderTools;
  readonly log: Logger;
  readonly registry: Registry;
  readonly keepFinishedMs: number;
  /** Of each recurring step; absent: any number. */
  readonly keepPerStep?: number | undefined;
  readonly random?: () => number;
}

/** How many executions advance at once: enough to fill the providers' limits, few enough to stay small in memory. */
const concurrentAdvances = 128;

export function createEngine(options: EngineOptions): Engine {
  const { store, log, tools } = options;
  const { clock } = tools;
  const steps = new Map(options.steps.map((step) => [step.name, step]));
  const connections = new Connections({
    settings: options.connections,
    types: options.connectionTypes,
    tools,
    teams: options.teamConnections,
  });
  const { readyGate, changeGate, origins, holding } = options;
  const catalogue = { steps, connections, readyGate, changeGate, areOriginsProven: origins !== undefined };
  const closing = new AbortController();
  const ended = new EndedExecutions(store);
  const unproven = origins === undefined ? undefined : new Unproven(store);
  const gone = new Map<string, Execution>();
  const turns: Turns = new Turns({
    clock,
    log,
    sources: [...options.sources, ...connections.sources(), ...(origins === undefined ? [] : [origins.source]), ended],
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
    changeGate,
    origins,
    holding,
    gone,
    unproven,
    connections,
    raise: (key) => turns.raise(key),
    clock,
    log,
    metrics,
    random,
    closing: closing.signal,
  };
  const shares = new Shares({ store, turns, gone, clock, log, random, holding });
  let stopRetention = () => {};

  async function found(key: ExecutionKey): Promise<Execution> {
    const execution = await store.get(key);
    if (execution !== undefined) return execution;
    throw new Problem('not-found', `there is no execution ${key.namespace}/${key.id}`);
  }

  async function accept(submission: Submission) {
    const { created, execution } = (await standing(submission)) ?? (await create(submission));
    if (!created) {
      assertSameRequest(submission, execution);
      await contest(submission, execution);
    }
    // Also one that stands there: its creation may have been recorded although the store said that it failed.
    shares.take(execution);
    return { created, execution };
  }

  /** What is there already, where more than the store's own look is due before something is created. */
  async function standing(submission: Submission) {
    if (turns.size < limits.unfinishedExecutions && originToProve(submission) === undefined) return undefined;
    const execution = await store.get(submission);
    return execution && { created: false, execution };
  }

  async function create(submission: Submission) {
    if (turns.size >= limits.unfinishedExecutions) throw tooMany();
    const execution = toNewExecution(submission, catalogue, clock.now());
    const { origin } = execution.request;
    if (origins === undefined || unproven === undefined || origin === undefined)
      return await recorded(store.create(execution));
    return await unproven.make(execution, async () => {
      await origins.assertExists(origin);
      return await recorded(store.create(execution));
    });
  }

  function originToProve({ body }: Submission) {
    return origins === undefined || !isJsonObject(body) ? undefined : body.origin;
  }

  /** Two that say different things under one id before either is proven: neither can be believed any more. */
  async function contest({ body }: Submission, execution: Execution): Promise<void> {
    const { request, status } = execution;
    if (origins === undefined || request.origin === undefined || status.state !== 'pending') return;
    if (status.stop !== undefined || isSameRequest(body, execution)) return;
    const message = 'contested: two different requests came with this id before its proof';
    await stop(execution, { reason: 'Denied', at: clock.now(), message });
  }

  async function stop(execution: Execution, wish: Omit<Stop, 'until'>): Promise<Execution | undefined> {
    const stopped = await recorded(storeStop(store, execution, wish));
    // Again for one that was stopped before: its stop may have been recorded although the store said that it failed.
    turns.raise(execution);
    return stopped;
  }

  /** Whoever asks can ask again, and finds what should have been recorded after all. */
  async function recorded<T>(write: Promise<T>): Promise<T> {
    try {
      return await write;
    } catch (cause) {
      if (cause instanceof ExecutionTooLarge) throw new Problem('body-too-large', cause.message, { cause });
      const detail = 'this could not be recorded; send the same request again';
      throw new Problem('unavailable', detail, { cause, retryAfterSeconds: 1 });
    }
  }

  async function cancel(key: ExecutionKey, caller: string): Promise<Execution> {
    const wish = { reason: 'Cancelled', at: clock.now(), message: `cancelled by ${caller}` } as const;
    const stopped = await stop(await found(key), wish);
    if (stopped !== undefined) return stopped;
    throw new Problem('already-final', `${key.namespace}/${key.id} is ${(await found(key)).status.state}`);
  }

  async function retry(key: ExecutionKey, caller: string): Promise<Execution> {
    const { request, status } = await found(key);
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
      const isTheSame = isSameRequest(request, execution) && execution.caller === caller;
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
      for (const use of uses) connections.assertKnown(use, namespace);
      const connection = connections.opener({ user: name, uses, namespace });
      try {
        return await step.plan({ log, now: () => clock.now(), connection }, params);
      } catch (error) {
        throw refusedPlan(error);
      }
    },
    async wake(signals) {
      for (const signal of signals) turns.wake(signal);
      if (holding === undefined) return;
      await recorded(Promise.all(signals.map((signal) => wakeOthers(store, holding, signal))));
    },
    async recover() {
      await shares.open();
    },
    start() {
      turns.start();
      stopRetention = startRetention(store, clock, log, options);
    },
    async close() {
      stopRetention();
      closing.abort();
      shares.close();
      await turns.close();
      ended.close();
      unproven?.close();
      await connections.close();
    },
  };
}
