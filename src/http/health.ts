import type { Response } from 'express';
import type { Registry } from 'prom-client';
import { Problem } from '../core/problem.ts';
import type { Handlers } from './handlers.ts';
import { writeHead } from './write-head.ts';

/** What the platform asks: liveness, readiness, metrics. */
export function healthHandlers(parts: {
  /** True, or why not. */
  readonly ready: () => true | string;
  readonly registry: Registry;
}): Pick<Handlers, 'getHealth' | 'getReadiness' | 'getMetrics'> {
  const { ready, registry } = parts;
  return {
    getHealth({ res }) {
      sendText(res, 'ok\n');
    },
    getReadiness({ res }) {
      const readiness = ready();
      if (readiness !== true) throw new Problem('unavailable', readiness, { retryAfterSeconds: 1 });
      sendText(res, 'ready\n');
    },
    async getMetrics({ res }) {
      sendText(res, await registry.metrics(), registry.contentType);
    },
  };
}

function sendText(res: Response, text: string, contentType = 'text/plain; charset=utf-8'): void {
  writeHead(res, 200, { 'Content-Type': contentType });
  res.end(text);
}
