import type { IncomingMessage, RequestListener } from 'node:http';
import express, { type Express, type Request, type Response } from 'express';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import type { ExecutionStore } from '../core/store.ts';
import type { Clock } from '../core/time.ts';
import type { Engine } from '../engine/engine.ts';
import { actionHandlers } from './actions.ts';
import { createAdmit } from './admit.ts';
import { requireAllowedHost } from './allowed-hosts.ts';
import { sendJson } from './answer.ts';
import { answerKnownRequests } from './answer-known-requests.ts';
import { type Authenticate, nobody } from './authenticate.ts';
import { ClientGone, createReadBody } from './body.ts';
import { cuexHandlers, isCuexCall, sendCuexProblem } from './cuex.ts';
import { createEventStreams } from './event-streams.ts';
import { eventHandlers } from './events.ts';
import { ExecutionChanges } from './execution-changes.ts';
import { executionHandlers } from './executions.ts';
import type { Handler, Handlers } from './handlers.ts';
import { healthHandlers } from './health.ts';
import { KnownRequests } from './known-requests.ts';
import { listHandlers } from './lists.ts';
import { createLongPolls } from './long-poll.ts';
import { createHttpMetrics } from './metrics.ts';
import { notesOf, observeRequests } from './observe.ts';
import { openApiDocument } from './openapi.ts';
import { type Operation, type OperationId, operations } from './operations.ts';
import { writeProblem } from './problem.ts';
import { Query } from './query.ts';
import { stepHandlers } from './steps.ts';
import { hooksPath, type WebhookReceivers, webhookHandlers } from './webhooks.ts';
import type { WorkflowOrigins } from './workflow-origins.ts';

export interface HttpDependencies {
  readonly engine: Engine;
  readonly store: ExecutionStore;
  readonly authenticate: Authenticate;
  readonly log: Logger;
  readonly clock: Clock;
  /** Whether requests can be taken: true, or why not. */
  readonly ready: () => true | string;
  /** The executor's own namespace: where executions belong that name none. */
  readonly ownNamespace: string;
  readonly workflowOrigins: WorkflowOrigins;
  readonly webhooks: WebhookReceivers;
  /** Names that the Host header may give, without port; undefined: any. */
  readonly allowedHosts: readonly string[] | undefined;
  readonly metrics: Registry;
  readonly bounds?: Partial<HttpBounds>;
}

/** What the API may hold at once. */
interface HttpBounds {
  readonly longPolls: number;
  readonly eventStreams: number;
  readonly knownRequestBytes: number;
}

const defaultBounds: HttpBounds = {
  longPolls: limits.longPolls,
  eventStreams: limits.eventStreams,
  knownRequestBytes: 32 * 1024 * 1024,
};

/** The API, and what ends it gracefully. */
export interface HttpApp {
  readonly handle: RequestListener;
  /** The webhooks alone, for an address that is open to the world. */
  readonly handleWebhooks: RequestListener;
  /** Answers long polls as things stand, ends event streams, and says that it is not ready any more. */
  drain(): void;
  /** Lets go of the store. */
  close(): void;
}

/** Builds the API without listening. */
export function createApp(dependencies: HttpDependencies): HttpApp {
  const { engine, store, log, clock, ownNamespace, workflowOrigins, allowedHosts } = dependencies;
  const { authenticate, webhooks, metrics: registry } = dependencies;
  const bounds = { ...defaultBounds, ...dependencies.bounds };
  const changes = new ExecutionChanges(store);
  const knownRequests = new KnownRequests({ changes, clock, mostBytes: bounds.knownRequestBytes });
  const longPolls = createLongPolls({ store, changes, clock, most: bounds.longPolls });
  const eventStreams = createEventStreams({ store, changes, clock, most: bounds.eventStreams });
  const metrics = createHttpMetrics({ registry, longPolls, eventStreams });
  let isDraining = false;

  const readBody = createReadBody();
  const admit = createAdmit({ ownNamespace, workflowOrigins });
  const handlers: Handlers = {
    ...executionHandlers({ engine, store, knownRequests, longPolls, ownNamespace, workflowOrigins, admit, readBody }),
    ...cuexHandlers({ engine, workflowOrigins, admit, readBody }),
    ...listHandlers({ store, ownNamespace }),
    ...actionHandlers({ engine, ownNamespace }),
    ...eventHandlers({ eventStreams, ownNamespace }),
    ...stepHandlers({ engine, ownNamespace, readBody }),
    ...webhookHandlers({ engine, webhooks }),
    ...healthHandlers({ registry, ready: () => (isDraining ? 'the server is shutting down' : dependencies.ready()) }),
    getOpenApi: ({ res }) => sendJson(res, 200, openApiDocument(engine.steps)),
  };

  const observe = observeRequests({ metrics, log });
  const answerKnown = answerKnownRequests({ knownRequests, authenticate, workflowOrigins, readBody });
  const putExecution = route(operations.putExecution, handlers.putExecution, authenticate);
  const answerError = errorAnswers(log);
  const routes = createRoutes({ handlers, authenticate, answerError, under: '/' });
  const webhookRoutes = createRoutes({ handlers, authenticate, answerError, under: hooksPath });

  async function answer(req: Request, res: Response): Promise<void> {
    if (await answerKnown(req, res)) return;
    const id = req.method === 'PUT' ? plainExecution.exec(req.url)?.[1] : undefined;
    if (id === undefined) {
      routes(req, res);
    } else {
      req.params = { id };
      await putExecution(req, res);
    }
  }

  /** What every request meets, at whichever address. */
  function listener(hosts: readonly string[] | undefined, respond: (req: Request, res: Response) => unknown) {
    return async (req: Request, res: Response): Promise<void> => {
      observe(req, res);
      try {
        requireHost(req, res, hosts);
        await respond(req, res);
      } catch (error) {
        answerError(error, req, res);
      }
    };
  }

  const handle = listener(allowedHosts, answer);
  const handleWebhook = listener(undefined, webhookRoutes);

  return {
    // They become express's own on the way to its routes. What goes past these needs nothing of it but `params`.
    handle: (req, res) => void handle(req as Request, res as Response),
    handleWebhooks: (req, res) => void handleWebhook(req as Request, res as Response),
    drain() {
      isDraining = true;
      longPolls.drain();
      eventStreams.drain();
    },
    close: () => changes.close(),
  };
}

const operationsByPath = Map.groupBy(Object.entries(operations) as [OperationId, Operation][], ([, { path }]) => path);

/**
 * Its PUT is most of all load, and express's router and prototypes would take a sixth of its time. Other spellings of the
 * path, and ids that are none, are left to the routes.
 */
const plainExecution = /^\/v1\/executions\/([a-z0-9-]+)(?:\?|$)/;

type AnswerError = (error: unknown, req: Request, res: Response) => void;

function createRoutes(parts: {
  readonly handlers: Handlers;
  readonly authenticate: Authenticate;
  readonly answerError: AnswerError;
  /** Paths that begin otherwise are left out. */
  readonly under: string;
}): Express {
  const { handlers, authenticate, answerError, under } = parts;
  const app = express();
  app.set('strict routing', true);
  app.set('case sensitive routing', true);
  // Handlers read the query from the URL themselves; entity tags of answers that no cache may keep only cost time.
  app.set('query parser', false);
  app.set('etag', false);
  app.set('x-powered-by', false);
  for (const [path, pathOperations] of operationsByPath) {
    if (!path.startsWith(under)) continue;
    const expressPath = toExpressPath(path);
    for (const [id, operation] of pathOperations) {
      app[operation.method](expressPath, route(operation, handlers[id], authenticate));
    }
    // Right behind, since `{id}` would take the paths of its actions as well.
    app.all(expressPath, refuseOtherMethods(pathOperations.map(([, { method }]) => method)));
  }
  app.use(() => {
    throw new Problem('not-found', 'no call has this path here; see /openapi.json');
  });
  // Express knows an error handler by its four parameters.
  app.use((error: unknown, req: Request, res: Response, _next: unknown) => answerError(error, req, res));
  return app;
}

function requireHost(req: Request, res: Response, allowedHosts: readonly string[] | undefined): void {
  if (req.headers.host === undefined && req.httpVersion === '1.1') {
    res.setHeader('Connection', 'close');
    throw new Problem('malformed-request', 'the Host header is missing');
  }
  if (allowedHosts !== undefined) requireAllowedHost(req.headers, allowedHosts);
}

const noQuery = new Query('', []);

function route(operation: Operation, handle: Handler, authenticate: Authenticate) {
  const names = Object.keys(operation.query);
  return async (req: Request, res: Response): Promise<void> => {
    const notes = notesOf(res);
    notes.route = operation.path;
    const identify = async () => {
      const caller = await authenticate(req.headers);
      notes.caller = caller.name;
      return caller;
    };
    const caller = operation.access === 'callers' ? await identify() : nobody;
    const query = operation.access === 'everybody' ? noQuery : new Query(req.url, names);
    await handle({ req, res, caller, identify, query });
  };
}

/** `/v1/executions/{id}:cancel` as express writes it: `/v1/executions/:id\:cancel`. */
function toExpressPath(path: string): string {
  return path.replaceAll(':', '\\:').replaceAll(/\{(\w+)\}/g, ':$1');
}

function refuseOtherMethods(methods: readonly Operation['method'][]) {
  // Express answers HEAD as it answers GET.
  const allowed = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()])).join(', ');
  return (req: Request, res: Response): void => {
    res.setHeader('Allow', allowed);
    throw new Problem('method-not-allowed', `this path takes ${allowed}, not ${req.method}`);
  };
}

/** What is not a Problem is a fault of ours: the caller learns the request's id, the log the cause. */
function errorAnswers(log: Logger): AnswerError {
  return (error, req, res) => {
    if (error instanceof ClientGone) return;
    const { requestId } = notesOf(res);
    const problem = toProblem(error, requestId);
    // A Problem without a cause is an answer that was meant, as to a probe while the server starts.
    const isFault = problem !== error || problem.cause !== undefined;
    if (isFault && problem.status >= 500) log.error({ err: error, requestId }, 'a request failed');
    // An event stream that broke: the reader connects again.
    if (res.headersSent) {
      res.destroy();
      return;
    }
    // Node reads the rest of a body away to find the next request; what may be long is not worth it.
    if (!req.complete && !hasShortBody(req)) res.setHeader('Connection', 'close');
    if (isCuexCall(req)) sendCuexProblem(res, problem);
    else writeProblem(res, problem);
  };
}

function hasShortBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= limits.bodyBytes;
}

function toProblem(error: unknown, requestId: string): Problem {
  if (error instanceof Problem) return error;
  // Express could not decode the path.
  if (error instanceof URIError) return new Problem('invalid-id', 'the path holds an odd percent-encoding');
  return new Problem('internal', `the server's log tells more under request ${requestId}`);
}
