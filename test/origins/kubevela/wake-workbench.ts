import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Execution, Origin } from '../../../src/core/execution.ts';
import type { Holding } from '../../../src/core/holding.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { Page } from '../../../src/core/store.ts';
import { createOriginMetrics } from '../../../src/origins/kubevela/metrics.ts';
import { originObject } from '../../../src/origins/kubevela/origin-object.ts';
import { OriginSource } from '../../../src/origins/kubevela/origin-source.ts';
import { Wake } from '../../../src/origins/kubevela/wake.ts';
import { ClusterAccess } from '../../../src/providers/kubernetes/cluster-access.ts';
import { ClusterApi } from '../../../src/providers/kubernetes/cluster-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeCluster } from './fake-cluster.ts';
import { application, smoke, t0, web } from './samples.ts';

/** One of several steps of one Application. */
export function numbered(number: number): Origin {
  return { ...web, step: `smoke-${number}`, sessionID: `smoke${String(number).padStart(5, '0')}` };
}

/** As the engine would have written it. */
export function waiting(...origins: readonly Origin[]): JsonObject {
  return application({ steps: origins.map(({ step, sessionID }) => ({ ...smoke, name: step, id: sessionID })) });
}

interface WakeOptions {
  /** What the store lists, in turn. */
  readonly pages?: readonly Page[];
  readonly holding?: Pick<Holding, 'claim' | 'watch'>;
}

/** A wake that is begun, on a cluster in memory and a clock that stands still. */
export function openWake({ pages = [{ items: [] }], holding }: WakeOptions = {}) {
  const clock = new ManualClock(t0);
  const access = new ClusterAccess({ clock });
  const { refusal } = ClusterApi.prototype;
  const api = new ClusterApi({ access, requestTimeoutMs: 1_000, clock });
  const cluster = new FakeCluster(refusal.bind(api));
  const registry = new Registry();
  const said: { readonly level: number; readonly msg: string; readonly err?: { readonly message: string } }[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => said.push(JSON.parse(line)) });
  let tell: (execution: Execution) => void = () => {};
  let listed = 0;
  const store = {
    watch(onChange: (execution: Execution) => void) {
      tell = onChange;
      return () => {
        tell = () => {};
      };
    },
    async list() {
      listed += 1;
      return pages[listed - 1] ?? { items: [] };
    },
  };
  const source = new OriginSource(cluster);
  const wake = new Wake({
    client: cluster,
    api: cluster.api,
    source,
    store,
    clock,
    log,
    metrics: createOriginMetrics(registry),
    holding,
  });
  wake.start();

  /** Until nothing is under way. */
  async function settle(): Promise<void> {
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  const patchedAt: number[] = [];
  const bench = {
    clock,
    cluster,
    wake,
    said,
    settle,
    /** When patches were sent, in milliseconds since the beginning; looked at by `pass`. */
    patchedAt,
    listed: () => listed,
    /** The texts of the condition that were sent. */
    messages: () => cluster.writes.map(({ body }) => messageIn((body as JsonObject[]).at(-1) ?? {})),
    /** The object is changed, and the watch sees it. */
    become(object: JsonObject | undefined, origin: Origin = web) {
      cluster.set(originObject(origin), object);
      cluster.show(originObject(origin));
    },
    /** The store tells. */
    stored: (execution: Execution) => tell(execution),
    async pass(spanMs: number, stepMs = 50): Promise<void> {
      await note();
      for (let passed = 0; passed < spanMs; passed += stepMs) {
        clock.advance(stepMs);
        await note();
      }
    },
    async count(result: string): Promise<number> {
      const metric = await registry.getSingleMetric('aftersync_origin_wakes_total')?.get();
      return metric?.values.find(({ labels }) => labels.result === result)?.value ?? 0;
    },
  };

  async function note(): Promise<void> {
    await settle();
    while (patchedAt.length < cluster.writes.length) patchedAt.push(clock.now() - t0);
  }

  return bench;
}

function messageIn({ value }: JsonObject): string {
  const condition = Array.isArray(value) ? value[0] : value;
  return typeof condition === 'object' && condition !== null ? String(condition.message) : '';
}
