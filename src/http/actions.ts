import type { Engine } from '../engine/engine.ts';
import { locationOf, sendJson, toAnswer } from './answer.ts';
import { requireMay } from './authenticate.ts';
import type { Handlers } from './handlers.ts';
import { keyOf } from './request-key.ts';

/** What is asked of an execution that is there. A body is not looked at. */
export function actionHandlers(parts: {
  readonly engine: Engine;
  readonly ownNamespace: string;
}): Pick<Handlers, 'cancelExecution' | 'retryExecution'> {
  const { engine, ownNamespace } = parts;
  return {
    async cancelExecution({ req, res, caller, query }) {
      const key = keyOf(req, query, ownNamespace);
      await requireMay(caller, 'update', key.namespace);
      sendJson(res, 202, toAnswer(await engine.cancel(key, caller.name)));
    },
    async retryExecution({ req, res, caller, query }) {
      const key = keyOf(req, query, ownNamespace);
      await requireMay(caller, 'create', key.namespace);
      const execution = await engine.retry(key, caller.name);
      sendJson(res, 201, toAnswer(execution), locationOf(execution));
    },
  };
}
