import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Execution } from '../core/execution.ts';

/** What the engine counts. Names are a contract; labels never hold what users choose freely. */
export interface EngineMetrics {
  ended(execution: Execution): void;
  advanced(step: string, outcome: 'waiting' | 'succeeded' | 'failed' | 'interrupted', tookMs: number): void;
}

export function createEngineMetrics(
  registry: Registry,
  load: () => { unfinished: number; queued: number; advancing: number },
): EngineMetrics {
  const registers = [registry];
  const ended = new Counter({
    name: 'aftersync_executions_ended_total',
    help: 'Executions that ended, by step, final state and reason.',
    labelNames: ['step', 'state', 'reason'],
    registers,
  });
  const advanced = new Histogram({
    name: 'aftersync_advance_seconds',
    help: 'Time that one advance of a step took, by what it came to.',
    labelNames: ['step', 'outcome'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 30],
    registers,
  });
  for (const [name, help] of [
    ['unfinished', 'Executions that have not ended.'],
    ['queued', 'Executions that are due and wait for their turn.'],
    ['advancing', 'Executions that are advancing now.'],
  ] as const) {
    new Gauge({
      name: `aftersync_executions_${name}`,
      help,
      registers,
      collect() {
        this.set(load()[name]);
      },
    });
  }
  return {
    ended({ request, status }) {
      ended.inc({ step: request.step, state: status.state, reason: status.reason ?? '' });
    },
    advanced(step, outcome, tookMs) {
      advanced.observe({ step, outcome }, tookMs / 1_000);
    },
  };
}
