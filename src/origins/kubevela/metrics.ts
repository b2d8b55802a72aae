import { Counter, type Registry } from 'prom-client';

/** What is counted of all that is told to workflows. Names are a contract. */
export interface OriginMetrics {
  woken(result: 'sent' | 'refused' | 'failed' | 'dropped'): void;
  eventHandled(result: 'written' | 'failed' | 'dropped'): void;
}

export function createOriginMetrics(registry: Registry): OriginMetrics {
  const registers = [registry];
  const wakes = new Counter({
    name: 'aftersync_origin_wakes_total',
    help: 'Attempts to make a workflow engine look at a step that has ended, by what came of them.',
    labelNames: ['result'],
    registers,
  });
  const events = new Counter({
    name: 'aftersync_origin_events_total',
    help: 'Kubernetes Events on workflows about their steps, by what came of them.',
    labelNames: ['result'],
    registers,
  });
  return {
    woken: (result) => wakes.inc({ result }),
    eventHandled: (result) => events.inc({ result }),
  };
}
