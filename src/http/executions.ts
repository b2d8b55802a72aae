import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import type { ExecutionStore } from '../core/store.ts';
import { parseDurationMs } from '../core/time.ts';
import type { Engine } from '../engine/engine.ts';
import type { Admit } from './admit.ts';
import { locationOf, notFound, sendJson, sendJsonText, toAnswer } from './answer.ts';
import { requireMay } from './authenticate.ts';
import { parseJsonObject, type ReadBody } from './body.ts';
import type { Exchange, Handlers } from './handlers.ts';
import type { KnownRequests } from './known-requests.ts';
import type { LongPolls } from './long-poll.ts';
import { notesOf } from './observe.ts';
import { idOfKey, randomId } from './own-ids.ts';
import { keyOf, requireChosenId } from './request-key.ts';
import { told, type WorkflowOrigins } from './workflow-origins.ts';

/** Creating and reading one execution. */
export function executionHandlers(parts: {
  readonly engine: Engine;
  readonly store: ExecutionStore;
  readonly knownRequests: KnownRequests;
  readonly longPolls: LongPolls;
  readonly ownNamespace: string;
  readonly workflowOrigins: WorkflowOrigins;
  readonly admit: Admit;
  readonly readBody: ReadBody;
}): Pick<Handlers, 'putExecution' | 'postExecution' | 'getExecution'> {
  const { engine, store, knownRequests, longPolls, ownNamespace, workflowOrigins, admit, readBody } = parts;

  async function putExecution(exchange: Exchange): Promise<void> {
    const { req, res } = exchange;
    const id = requireChosenId(req.params.id);
    const bytes = notesOf(res).body ?? (await readBody(req));
    const body = parseJsonObject(bytes);
    const { namespace, caller } = await admit(exchange, body);
    const key = { id, namespace };
    const accepted = await knownRequests.remember({ key, url: req.url, body: bytes }, () =>
      engine.accept({ ...key, body, caller }),
    );
    told(workflowOrigins, accepted.execution);
    if (accepted.created) sendJsonText(res, 201, accepted.answer, locationOf(key));
    else sendJsonText(res, 200, accepted.answer);
  }

  async function postExecution(exchange: Exchange): Promise<void> {
    const { req, res } = exchange;
    const idempotencyKey = req.get('idempotency-key');
    const body = parseJsonObject(await readBody(req));
    const { namespace, caller } = await admit(exchange, body);
    const id = idempotencyKey === undefined ? randomId() : idOfKey({ namespace, caller, key: idempotencyKey });
    const { created, execution } = await engine.accept({ namespace, id, body, caller });
    sendJson(res, created ? 201 : 200, toAnswer(execution), locationOf(execution));
  }

  async function getExecution({ req, res, caller, query }: Exchange): Promise<void> {
    const key = keyOf(req, query, ownNamespace);
    const waitMs = waitMsOf(query.one('wait'));
    await requireMay(caller, 'get', key.namespace);
    const isWaiting = waitMs > 0;
    notesOf(res).isHeld = isWaiting;
    const execution = await (isWaiting ? longPolls.wait(key, waitMs, res) : store.get(key));
    if (execution === undefined) throw notFound(key);
    sendJson(res, 200, toAnswer(execution));
  }

  return { putExecution, postExecution, getExecution };
}

function waitMsOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const waitMs = parseDurationMs(text);
  if (waitMs === undefined || waitMs > limits.longPollMs) {
    throw new Problem('invalid-query', 'wait is a duration of at most 60s, such as 30s');
  }
  return waitMs;
}
