import pino from 'pino';
import { Registry } from 'prom-client';
import type { ConnectionSettings } from '../../src/core/connection.ts';
import { type Execution, isFinal } from '../../src/core/execution.ts';
import type { Json, JsonObject } from '../../src/core/json.ts';
import { withDefaults } from '../../src/core/schema.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import { type Clock, systemClock } from '../../src/core/time.ts';
import { createEngine, type Engine } from '../../src/engine/engine.ts';
import { kubernetes } from '../../src/providers/kubernetes/connection.ts';
import { changeGate } from '../../src/steps/read-object/change-gate.ts';
import { readyGate } from '../../src/steps/read-object/ready-gate.ts';
import { readObject } from '../../src/steps/read-object.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';

export interface ReadBench extends AsyncDisposable {
  readonly engine: Engine;
  readonly store: ExecutionStore;
  submit(id: string, params: JsonObject, more?: JsonObject): Promise<void>;
  /** The first stored state for which the test is true, also if it stands already. */
  until(id: string, isMet: (execution: Execution) => boolean): Promise<Execution>;
  /** Until it waits for the cluster's word. */
  waiting(id: string): Promise<Execution>;
  ended(id: string): Promise<Execution>;
  close(): Promise<void>;
}

export interface ReadBenchOptions {
  /** Content of the kubeconfig. */
  readonly kubeconfig: () => string;
  readonly allow?: ConnectionSettings['allow'];
  readonly options?: Readonly<Record<string, Json>>;
  readonly store?: ExecutionStore;
  /** Default: the system's. */
  readonly clock?: Clock;
}

const namespace = 'default';

/** A real engine with a real store, one connection to a cluster, and the one step. */
export async function openReadBench({
  kubeconfig,
  allow,
  options,
  store: given,
  clock = systemClock,
}: ReadBenchOptions): Promise<ReadBench> {
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const store = given ?? (await openSqliteStore({ path: ':memory:' }));
  const settings: ConnectionSettings = {
    name: 'cluster',
    type: 'kubernetes',
    owner: 'platform@example.com',
    allow: { namespaces: [namespace], ...kubernetes.allowByDefault, ...allow },
    isDefault: true,
    options: withDefaults(kubernetes.options, {
      kubeconfigFile: '/kubeconfig',
      ...options,
    }) as ConnectionSettings['options'],
    place: 'aftersync.yaml:1',
  };
  const engine = createEngine({
    store,
    steps: [readObject],
    readyGate,
    changeGate,
    origins: undefined,
    sources: [],
    connectionTypes: [kubernetes],
    connections: [settings],
    tools: {
      clock,
      log,
      fetch: () => Promise.reject(new Error('clusters are not asked through this')),
      credential: (path) => ({ path, read: async () => kubeconfig() }),
    },
    log,
    registry: new Registry(),
    keepFinishedMs: 7 * 86_400_000,
  });
  await engine.recover();
  engine.start();

  async function until(id: string, isMet: (execution: Execution) => boolean): Promise<Execution> {
    const { promise, resolve } = Promise.withResolvers<Execution>();
    const release = store.watch((execution) => {
      if (execution.id === id && isMet(execution)) resolve(execution);
    });
    const stands = await store.get({ namespace, id });
    if (stands !== undefined && isMet(stands)) resolve(stands);
    return promise.finally(release);
  }

  async function close(): Promise<void> {
    await engine.close();
    if (given === undefined) await store.close();
  }

  return {
    engine,
    store,
    until,
    async submit(id, params, more = {}) {
      const body = { step: readObject.name, with: params, ...more };
      await engine.accept({ namespace, id, caller: 'tester', body });
    },
    waiting: (id) => until(id, ({ status }) => isFinal(status.state) || status.signals.length > 0),
    ended: (id) => until(id, ({ status }) => isFinal(status.state)),
    close,
    [Symbol.asyncDispose]: close,
  };
}
