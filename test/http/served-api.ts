import { Writable } from 'node:stream';
import { type TSchema, Type } from '@sinclair/typebox';
import pino from 'pino';
import { Registry } from 'prom-client';
import { Pool } from 'undici';
import type { JsonObject } from '../../src/core/json.ts';
import { Problem } from '../../src/core/problem.ts';
import type { SignalSource } from '../../src/core/signal.ts';
import type { Outcome } from '../../src/core/step.ts';
import type { ExecutionStore } from '../../src/core/store.ts';
import type { WebhookReceiver } from '../../src/core/webhook.ts';
import { createApp, type HttpDependencies } from '../../src/http/app.ts';
import { anonymousOnLoopback } from '../../src/http/authenticate.ts';
import { startHttpServer } from '../../src/http/listen.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { openWorkbench, toyStep, type WorkbenchOptions } from '../engine/workbench.ts';
import { type CheckAnswer, createAnswerCheck } from './documented-answers.ts';

export interface Call {
  /** An object is sent as JSON, text and bytes as they are, an iterable in chunks. */
  readonly body?: object | string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed text; an empty object where it is not JSON. */
  readonly json: JsonObject;
}

/** For dry runs. */
const planned = toyStep(async () => ({ kind: 'succeeded', outputs: {} }), {
  name: 'planned',
  params: Type.Object({ tags: Type.Array(Type.String(), { minItems: 1 }) }, { additionalProperties: false }) as TSchema,
  plan: async () => ({
    calls: [{ description: 'purge', method: 'POST', url: 'https://cdn.example/purge', count: 2 }],
    seconds: 1.5,
    costUsd: 0.01,
    notes: ['by tag'],
  }),
});

const noWebhooks: WebhookReceiver = {
  async receive() {
    throw new Problem('not-found', 'no webhooks here');
  },
};

/**
 * The API on a free port, with a real engine on a real store in memory and a clock that the test moves. Every answer to
 * `call` is held to the OpenAPI document. Executions of the step `toy` wait until the test lets them go on.
 */
export async function serveApi(
  changes: (parts: HttpDependencies) => Partial<HttpDependencies> = () => ({}),
  engineParts: Pick<WorkbenchOptions, 'origins'> = {},
) {
  const outcomes = new Map<string, Outcome>();
  const raises = new Map<string, () => void>();
  const source: SignalSource = {
    prefix: 'test',
    subscribe(key, raise) {
      raises.set(key, raise);
      raise();
      return () => raises.delete(key);
    },
  };
  const toy = toyStep(async ({ execution: { id }, stop }) => {
    if (stop !== undefined) return { kind: 'failed', reason: stop.reason, message: stop.message };
    return outcomes.get(id) ?? { kind: 'waiting', message: 'waiting for the test', signals: [`test:${id}`] };
  });
  const bench = await openWorkbench({ steps: [toy, planned], sources: [source], ...engineParts });
  const logLines: string[] = [];
  const log = pino(
    { level: 'trace' },
    new Writable({
      write(chunk, _encoding, done) {
        logLines.push(String(chunk));
        done();
      },
    }),
  );
  const defaults: HttpDependencies = {
    engine: bench.engine,
    store: bench.store,
    authenticate: anonymousOnLoopback(),
    log,
    clock: bench.clock,
    ready: () => true,
    ownNamespace: 'default',
    workflowOrigins: 'trusted',
    webhooks: { github: noWebhooks },
    allowedHosts: undefined,
    metrics: new Registry(),
  };
  const dependencies = { ...defaults, ...changes(defaults) };
  const app = createApp(dependencies);
  const server = await startHttpServer(app, { host: '127.0.0.1', port: 0 });
  const pool = new Pool(server.url);
  const check: CheckAnswer = createAnswerCheck(openApiDocument(bench.engine.steps));

  async function call(method: string, path: string, { body, headers = {}, signal }: Call = {}): Promise<Answer> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array || (body && Symbol.asyncIterator in body);
    const response = await pool.request({
      method,
      path,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: (isRaw ? body : JSON.stringify(body)) as string }),
      ...(signal && { signal }),
    });
    const text = await response.body.text();
    const contentType = String(response.headers['content-type']);
    check({ method, path, status: response.statusCode, contentType, text });
    const isJson = /[/+]json/.test(contentType) && text !== '';
    return { status: response.statusCode, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
  }

  /** Resolves when a toy execution waits to be let go on: until then it changes by itself. */
  const untilWaiting = (id: string) => bench.until(id, ({ status }) => status.signals.includes(`test:${id}`));

  return {
    ...bench,
    app,
    server,
    pool,
    call,
    logLines,
    untilWaiting,
    /** A number that the server tells of itself. */
    async metric(name: string): Promise<number> {
      const { text } = await call('GET', '/metrics');
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    },
    put: (id: string, params: JsonObject = {}, more: JsonObject = {}) =>
      call('PUT', `/v1/executions/${id}`, { body: { step: 'toy', with: params, ...more } }),
    /** Lets a toy execution advance to this outcome; resolves when that is stored. */
    async goOn(id: string, outcome: Outcome): Promise<void> {
      await untilWaiting(id);
      outcomes.set(id, outcome.kind === 'waiting' ? { ...outcome, signals: [`test:${id}`] } : outcome);
      const stored = bench.until(id, ({ status }) => status.message === outcome.message);
      raises.get(id)?.();
      await stored;
    },
    async close() {
      await server.close();
      await pool.destroy();
      await bench.close();
    },
  };
}

export type ServedApi = Awaited<ReturnType<typeof serveApi>>;

export const success: Outcome & { message: string } = {
  kind: 'succeeded',
  outputs: { answer: 42 },
  message: 'all done',
};

/** The store, with some methods changed. */
export function storeWith(store: ExecutionStore, changes: Partial<ExecutionStore>): ExecutionStore {
  return new Proxy(store, {
    get: (target, property) =>
      Reflect.get(changes, property) ?? (Reflect.get(target, property) as () => unknown).bind(target),
  });
}

/** A store in which something happens between a read and its answer. */
export function storeWithGap(store: ExecutionStore, happen: () => Promise<void>): ExecutionStore {
  return storeWith(store, {
    async get(key) {
      const before = await store.get(key);
      await happen();
      return before;
    },
  });
}

/** A Problem's code; undefined for other answers. */
export function codeOf({ json }: Answer): unknown {
  return json.code;
}
