import { randomBytes } from 'node:crypto';
import pino, { type DestinationStream, type Logger } from 'pino';
import { Registry } from 'prom-client';
import { type Config, fileCredential, readTeamConnections } from './config.ts';
import { authorityOf } from './core/authority.ts';
import type { HttpFetch, ProviderTools } from './core/connection.ts';
import { type Holding, sendingAs } from './core/holding.ts';
import { isLoopbackHost } from './core/listen-address.ts';
import type { Origins } from './core/origin.ts';
import { withDefaults } from './core/schema.ts';
import type { ExecutionStore } from './core/store.ts';
import type { TeamConnections } from './core/team-connections.ts';
import { type Clock, requireDurationMs, systemClock } from './core/time.ts';
import { createEngine, type Engine } from './engine/engine.ts';
import { loopbackHosts } from './http/allowed-hosts.ts';
import { createApp } from './http/app.ts';
import { type Authenticate, anonymousOnLoopback, firstThen } from './http/authenticate.ts';
import { kubernetesCallers } from './http/kubernetes-callers.ts';
import { forWebhooks, type HttpServer, startHttpServer } from './http/listen.ts';
import { staticTokens } from './http/static-tokens.ts';
import { userAddresses } from './providers/address-guard.ts';
import { githubWebhook } from './providers/github/webhook.ts';
import { createHttpFetch, type HttpClient } from './providers/http-client.ts';
import { connectionTypes } from './providers/index.ts';
import { kubernetesAccessReviews } from './providers/kubernetes/access-reviews.ts';
import { kubernetes } from './providers/kubernetes/connection.ts';
import type { KubernetesClient } from './providers/kubernetes/kubernetes-client.ts';
import { steps } from './steps/index.ts';
import { changeGate } from './steps/read-object/change-gate.ts';
import { readyGate } from './steps/read-object/ready-gate.ts';
import type { Replicas } from './store/kubernetes/replicas.ts';
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
  readonly tools: ProviderTools;
  /** Absent where no KubeVela is configured. */
  readonly origins: Origins | undefined;
  /** Waits for what is being sent, then lets go of the store. */
  close(): Promise<void>;
}

export interface Server {
  readonly url: string;
  /** Of the listener for webhooks alone, where there is one. */
  readonly hooksUrl?: string;
  /** Takes nothing new, finishes what is being answered and sent, and lets go of the store. */
  close(): Promise<void>;
}

/**
 * Opens the configured store, which no other process may hold unless it is a cluster's, where this one joins the others; and
 * indexes what is in it. Nothing advances yet.
 */
export async function openLocal(config: Config, wiring: Wiring = {}): Promise<LocalEngine> {
  const { log = createLog(config), clock = systemClock, wrapStore, wrapFetch } = wiring;
  let holding: Holding | undefined;
  const maySend = () => {
    const holder = sendingAs.getStore();
    return holder === undefined || holding?.isAlive(holder) !== false;
  };
  const http = createHttpFetch({ userAgent: 'aftersync', maySend });
  const guarded = createHttpFetch({ userAgent: 'aftersync', maySend, addresses: userAddresses(config.network.allow) });
  const registry = new Registry();
  const fetchOf = ({ fetch }: HttpClient) => wrapFetch?.(fetch) ?? fetch;
  const tools = { fetch: fetchOf(http), clock, log, credential: fileCredential };
  const teams = await openTeamConnections(config, { ...tools, fetch: fetchOf(guarded) });
  const opened = await openStore(config, tools);
  holding = opened.replicas;
  const store = wrapStore?.(opened.store) ?? opened.store;
  const origins = await openOrigins(config, { ...tools, store, registry, holding });
  const engine = createEngine({
    store,
    steps,
    readyGate,
    changeGate,
    origins,
    holding,
    sources: [],
    connectionTypes,
    connections: config.connections,
    teamConnections: teams?.connections,
    tools,
    log,
    registry,
    keepFinishedMs: config.retention.finishedMs,
    keepPerStep: config.retention.perStep,
  });
  await engine.recover();
  return {
    engine,
    store,
    registry,
    tools,
    origins,
    async close() {
      await engine.close();
      // Nothing is being sent any more: what this process has begun is the others' at once.
      await opened.replicas?.leave();
      await origins?.close();
      await store.close();
      await opened.close();
      await teams?.close();
      await Promise.all([http.close(), guarded.close()]);
    },
  };
}

/** The whole server. It listens before it advances: what is recovered may take a while to send. */
export async function serve(config: Config, wiring: Wiring = {}): Promise<Server> {
  const log = wiring.log ?? createLog(config);
  const clock = wiring.clock ?? systemClock;
  const { engine, store, registry, tools, origins, close } = await openLocal(config, { ...wiring, log, clock });
  const isLoopback = isLoopbackHost(config.server.host);
  let isReady = false;
  const servers: HttpServer[] = [];
  let closeCallers = async () => {};
  const closeAll = async () => {
    await Promise.all(servers.map((server) => server.close()));
    await close();
    await closeCallers();
  };
  try {
    const callers = await openCallers(config, tools);
    closeCallers = callers.close;
    const app = createApp({
      engine,
      store,
      authenticate: callers.authenticate,
      log,
      clock,
      ready: () => isReady || 'the server is starting',
      ownNamespace: config.namespace,
      workflowOrigins: origins ?? (isLoopback ? 'trusted' : 'refused'),
      webhooks: { github: githubWebhook({ ...tools, connections: config.connections }) },
      allowedHosts: isLoopback ? loopbackHosts : undefined,
      metrics: registry,
    });
    const server = await startHttpServer(app, config.server);
    servers.push(server);
    const hooks = config.hooks && (await startHttpServer({ handle: app.handleWebhooks }, config.hooks, forWebhooks));
    if (hooks !== undefined) servers.push(hooks);
    origins?.start();
    engine.start();
    isReady = true;
    return { url: server.url, ...(hooks && { hooksUrl: hooks.url }), close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface OpenedStore {
  readonly store: ExecutionStore;
  /** Where other processes may have it open, too. */
  readonly replicas?: Replicas;
  /** Lets go of what the store stands on. */
  close(): Promise<void>;
}

async function openStore(config: Config, tools: ProviderTools): Promise<OpenedStore> {
  const { store: settings } = config;
  if (settings.type === 'sqlite') return { store: await openSqliteStore(settings), close: async () => {} };
  // The default store does without them, and so does its start.
  const { openKubernetesStore } = await import('./store/kubernetes/kubernetes-store.ts');
  const { Replicas } = await import('./store/kubernetes/replicas.ts');
  const client = openCluster(config, settings.connection, tools);
  const { api, silenceLimitMs } = client;
  const shared = { ...settings, api, silenceLimitMs, clock: tools.clock, log: tools.log, random: Math.random };
  const store = await openKubernetesStore(shared);
  try {
    const namespace = settings.leaseNamespace ?? config.namespace;
    const sendMs = longestSendMs(config);
    const replicas = await Replicas.join({ ...shared, namespace, group: 'aftersync', sendMs, randomBytes });
    return { store, replicas, close: () => client.close() };
  } catch (error) {
    await store.close();
    await client.close();
    throw error;
  }
}

/** How long an answer is waited for where a connection does not say it, which one of a team cannot. */
const defaultSendMs = 20_000;

/** After so long nothing that was sent can arrive any more, for its sender has given it up. */
function longestSendMs({ connections, teamConnections }: Config): number {
  const senders = connectionTypes.filter(({ options }) => 'sendTimeout' in options.properties).map(({ type }) => type);
  const limitsMs = connections
    .filter(({ type }) => senders.includes(type))
    .map(({ options: { sendTimeout } }) =>
      typeof sendTimeout === 'string' ? requireDurationMs(sendTimeout) : defaultSendMs,
    );
  return Math.max(teamConnections === undefined ? 0 : defaultSendMs, ...limitsMs);
}

/** What proves and follows the workflow steps of the configured KubeVela. */
async function openOrigins(
  config: Config,
  {
    store,
    registry,
    holding,
    ...tools
  }: ProviderTools & Pick<LocalEngine, 'store' | 'registry'> & { readonly holding: Holding | undefined },
): Promise<Origins | undefined> {
  if (config.kubevela === undefined) return undefined;
  const { createKubevelaOrigins } = await import('./origins/kubevela/kubevela.ts');
  const { connection, definitions, authorityFromInputs } = config.kubevela;
  return createKubevelaOrigins({
    client: openCluster(config, connection, tools),
    store,
    registry,
    holding,
    clock: tools.clock,
    log: tools.log,
    definitions,
    authorityFromInputs,
    authorityOf(name) {
      const step = steps.find((known) => known.name === name);
      return step === undefined ? [] : authorityOf(step);
    },
  });
}

/** What teams keep in their namespaces of the configured cluster. `fetch`: for the addresses that they name. */
async function openTeamConnections(
  config: Config,
  tools: ProviderTools,
): Promise<{ readonly connections: TeamConnections; close(): Promise<void> } | undefined> {
  if (config.teamConnections === undefined) return undefined;
  const { TeamSecrets } = await import('./providers/kubernetes/team-secrets.ts');
  const client = openCluster(config, config.teamConnections.connection, tools);
  const connections = new TeamSecrets({
    api: client.api,
    templates: connectionTypes.flatMap(({ templates = [] }) => templates),
    understand: (secrets, namespace) => readTeamConnections(secrets, { namespace, types: connectionTypes }),
    fetch: tools.fetch,
    clock: tools.clock,
  });
  return { connections, close: () => client.close() };
}

/** Whom the tokens file names and whom the cluster knows; with neither configured, whoever reaches the server. */
async function openCallers(
  config: Config,
  tools: ProviderTools,
): Promise<{ readonly authenticate: Authenticate; close(): Promise<void> }> {
  const { tokensFile, kubernetes: ofCluster } = config.auth;
  const named = tokensFile === undefined ? undefined : await staticTokens({ ...tools, file: tokensFile });
  if (ofCluster === undefined) return { authenticate: named ?? anonymousOnLoopback(), close: async () => {} };
  const client = openCluster(config, ofCluster.connection, tools);
  const known = kubernetesCallers({ ...tools, reviews: kubernetesAccessReviews(client.api) });
  return { authenticate: named === undefined ? known : firstThen(named, known), close: () => client.close() };
}

/** For the server itself, whatever steps may do through the connection; undefined: by the default kubeconfig. */
function openCluster(config: Config, connection: string | undefined, tools: ProviderTools): KubernetesClient {
  const settings = config.connections.find(({ name }) => name === connection);
  // The configuration has checked the options against the type's own schema.
  const options = (settings?.options ?? withDefaults(kubernetes.options, {})) as Parameters<typeof kubernetes.open>[0];
  const connectionName = connection ?? 'default';
  return kubernetes.open(options, { ...tools, connectionName, log: tools.log.child({ connection: connectionName }) });
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
