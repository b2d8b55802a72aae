import pino, { type DestinationStream, type Logger } from 'pino';
import { Registry } from 'prom-client';
import { type Config, fileCredential } from './config.ts';
import type { HttpFetch } from './core/connection.ts';
import { isLoopbackHost } from './core/listen-address.ts';
import type { ExecutionStore } from './core/store.ts';
import { type Clock, systemClock } from './core/time.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { loopbackHosts } from './http/allowed-hosts.ts';
import { createApp } from './http/app.ts';
import { anonymousOnLoopback } from './http/authenticate.ts';
import { startHttpServer } from './http/listen.ts';
import { staticTokens } from './http/static-tokens.ts';
import { createHttpFetch } from './providers/http-client.ts';
import { connectionTypes } from './providers/index.ts';
import { steps } from './steps/index.ts';
import { readyGate } from './steps/read-object/ready-gate.ts';
import { openSqliteStore } from './store/sqlite/sqlite-store.ts';

export { connectionTypes } from './providers/index.ts';

/** What a test puts between the parts, to see or to break what passes there. */
export interface Wiring {
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly wrapStore?: (store: ExecutionStore) => ExecutionStore;
  readonly wrapFetch?: (fetch: HttpFetch) => HttpFetch;
}

/** An engine on the configured store, without a way in. */
export interface LocalEngine {
  readonly engine: Engine;
  readonly store: ExecutionStore;
  readonly registry: Registry;
  /** Waits for what is being sent, then lets go of the store. */
  close(): Promise<void>;
}

export interface Server {
  readonly url: string;
  /** Takes nothing new, finishes what is being answered and sent, and lets go of the store. */
  close(): Promise<void>;
}

/** Opens the configured store, which no other process may hold, and indexes what is in it. Nothing advances yet. */
export async function openLocal(config: Config, wiring: Wiring = {}): Promise<LocalEngine> {
  const { log = createLog(config), clock = systemClock, wrapStore, wrapFetch } = wiring;
  const opened = await openSqliteStore({ path: config.store.path });
  const store = wrapStore?.(opened) ?? opened;
  const http = createHttpFetch({ userAgent: 'aftersync' });
  const registry = new Registry();
  const engine = createEngine({
    store,
    steps,
    readyGate,
    sources: [],
    connectionTypes,
    connections: config.connections,
    tools: { fetch: wrapFetch?.(http.fetch) ?? http.fetch, clock, log, credential: fileCredential },
    log,
    registry,
    keepFinishedMs: config.retention.finishedMs,
  });
  await engine.recover();
  return {
    engine,
    store,
    registry,
    async close() {
      await engine.close();
      await store.close();
      await http.close();
    },
  };
}

/** The whole server. It listens before it advances: what is recovered may take a while to send. */
export async function serve(config: Config, wiring: Wiring = {}): Promise<Server> {
  const log = wiring.log ?? createLog(config);
  const clock = wiring.clock ?? systemClock;
  const { engine, store, registry, close } = await openLocal(config, { ...wiring, log, clock });
  const isLoopback = isLoopbackHost(config.server.host);
  const { tokensFile } = config.auth;
  let isReady = false;
  try {
    const app = createApp({
      engine,
      store,
      authenticate:
        tokensFile === undefined ? anonymousOnLoopback() : await staticTokens({ file: tokensFile, clock, log }),
      log,
      clock,
      ready: () => isReady || 'the server is starting',
      ownNamespace: config.namespace,
      allowWorkflowOrigins: isLoopback,
      allowedHosts: isLoopback ? loopbackHosts : undefined,
      metrics: registry,
    });
    const server = await startHttpServer(app, config.server);
    engine.start();
    isReady = true;
    return {
      url: server.url,
      async close() {
        await server.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Headers and tokens never reach the log by our own hand; this is for what a library may put into an error. */
export function createLog({ log }: Pick<Config, 'log'>, destination: DestinationStream = pino.destination(1)): Logger {
  return pino(
    {
      level: log.level,
      redact: {
        paths: [
          'authorization',
          '*.authorization',
          '*.*.authorization',
          '*.*.*.authorization',
          'err.request.headers.*',
        ],
        censor: '[redacted]',
      },
    },
    destination,
  );
}
