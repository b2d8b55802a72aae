import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client';
import type { HeldAnswers } from './held-answers.ts';

export interface RequestMetrics {
  count(request: { readonly method: string; readonly route: string; readonly status: string }): void;
  /** Without answers that are held open on purpose, whose time says nothing about the server. */
  time(request: { readonly method: string; readonly route: string; readonly seconds: number }): void;
}

/** Registers what the API tells of itself, and the process's own metrics. Those of executions are the engine's. */
export function createHttpMetrics(parts: {
  readonly registry: Registry;
  readonly longPolls: HeldAnswers;
  readonly eventStreams: HeldAnswers;
}): RequestMetrics {
  const { registry, longPolls, eventStreams } = parts;
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const requests = new Counter({
    name: 'aftersync_http_requests_total',
    help: 'Requests by method, route and status; the status is "aborted" where the client did not wait.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'aftersync_http_request_duration_seconds',
    help: 'Time to answer by method and route, without long polls and event streams.',
    labelNames: ['method', 'route'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    registers,
  });
  new Gauge({
    name: 'aftersync_http_long_polls',
    help: 'Requests that wait for the end of an execution.',
    registers,
    collect() {
      this.set(longPolls.count);
    },
  });
  new Gauge({
    name: 'aftersync_http_event_streams',
    help: 'Open event streams.',
    registers,
    collect() {
      this.set(eventStreams.count);
    },
  });
  return {
    count: (labels) => requests.inc(labels),
    time: ({ seconds, ...labels }) => durations.observe(labels, seconds),
  };
}
