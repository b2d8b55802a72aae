import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Execution } from '../../core/execution.ts';
import type { Holding } from '../../core/holding.ts';
import type { Origins } from '../../core/origin.ts';
import { Problem } from '../../core/problem.ts';
import type { Release } from '../../core/signal.ts';
import type { ExecutionStore } from '../../core/store.ts';
import type { Clock } from '../../core/time.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import type { InputPolicy } from './agreement.ts';
import type { Wrapper } from './definition.ts';
import { OriginEvents } from './events.ts';
import { endOf } from './following.ts';
import { createOriginMetrics } from './metrics.ts';
import { originObject, readObject } from './origin-object.ts';
import { OriginSource, originSignal } from './origin-source.ts';
import { isOutdatedTick } from './outdated-tick.ts';
import { Prover } from './prover.ts';
import { Wake } from './wake.ts';

export interface KubevelaOriginsOptions extends InputPolicy {
  /** Of the cluster whose KubeVela calls us. Closed with the origins. */
  readonly client: KubernetesClient;
  readonly store: ExecutionStore;
  /** Definitions of the platform that wrap a step of ours. */
  readonly definitions: readonly Wrapper[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: Registry;
  /** Absent where no other process shares the store. */
  readonly holding?: Holding | undefined;
}

/** The steps of KubeVela's Applications and WorkflowRuns as origins. */
export function createKubevelaOrigins(options: KubevelaOriginsOptions): Origins {
  const { client, store, definitions, clock, log, registry, holding } = options;
  const source = new OriginSource(client.watches);
  const reader: Pick<KubernetesClient, 'read'> = {
    async read(place, signal) {
      const object = await client.read(place, signal);
      source.noteRead(place, object);
      return object;
    },
  };
  const parts = {
    client: reader,
    api: client.api,
    source,
    store,
    clock,
    log,
    metrics: createOriginMetrics(registry),
    holding,
  };
  const wake = new Wake(parts);
  const events = new OriginEvents({ ...parts, store: { watch: (onChange) => watchHeld(store, holding, onChange) } });
  const prover = new Prover({
    client: reader,
    definitions,
    clock,
    authorityOf: options.authorityOf,
    authorityFromInputs: options.authorityFromInputs,
    onMisuse: (application, step) => events.misused(application, step),
  });

  async function verify(execution: Execution, signal: AbortSignal) {
    const { origin } = execution.request;
    if (origin === undefined || execution.status.proof === undefined) return undefined;
    return endOf(await readObject(reader, originObject(origin), signal), execution);
  }

  return {
    source,
    signalOf(execution) {
      const { origin } = execution.request;
      if (origin === undefined) throw new Error(`execution ${execution.id} has no origin to follow`);
      return originSignal(origin);
    },
    assertExists: (origin) => prover.assertExists(origin),
    prove: (execution, signal) => prover.prove(execution, signal),
    verify,
    look(execution) {
      const { origin } = execution.request;
      const seen = origin && source.look(origin);
      return seen && endOf(seen.object, execution);
    },
    asked(execution) {
      const { origin } = execution.request;
      if (isOutdatedTick(execution, origin && source.look(origin)?.object, clock.now())) {
        throw new Problem('unavailable', 'KubeVela has ended this step, and asks for it by an older state', {
          retryAfterSeconds: 1,
        });
      }
      wake.asked(execution);
    },
    start() {
      wake.start();
      events.start();
    },
    async close() {
      await Promise.all([wake.close(), events.close()]);
      await client.close();
    },
  };
}

/** Each process tells of what it has begun and ended itself. */
function watchHeld(
  store: Pick<ExecutionStore, 'watch'>,
  holding: Holding | undefined,
  onChange: (execution: Execution) => void,
): Release {
  return store.watch((execution) => {
    const { holder } = execution.status;
    if (holding === undefined || (holder !== undefined && holding.isAlive(holder))) onChange(execution);
  });
}
