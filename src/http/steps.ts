import { isJsonObject } from '../core/json.ts';
import { Problem } from '../core/problem.ts';
import { fits, mistakesOf } from '../core/schema.ts';
import type { Engine } from '../engine/engine.ts';
import { sendJson } from './answer.ts';
import { requireMay } from './authenticate.ts';
import { parseJsonObject, type ReadBody } from './body.ts';
import { PlanRequestSchema } from './components.ts';
import type { Handlers } from './handlers.ts';
import { toJsonSchema } from './openapi.ts';
import { namespaceOf } from './request-key.ts';

/** The catalogue of steps, and their dry runs. */
export function stepHandlers(parts: {
  readonly engine: Engine;
  readonly ownNamespace: string;
  readonly readBody: ReadBody;
}): Pick<Handlers, 'listSteps' | 'planStep'> {
  const { engine, ownNamespace, readBody } = parts;
  return {
    listSteps({ res }) {
      const items = engine.steps.map(({ name, description, defaultTimeout, plan, params, outputs }) => ({
        name,
        description,
        defaultTimeout,
        canPlan: plan !== undefined,
        params: toJsonSchema(params),
        outputs: toJsonSchema(outputs),
      }));
      sendJson(res, 200, { items });
    },
    async planStep({ req, res, caller, query }) {
      const namespace = namespaceOf(query, ownNamespace);
      await requireMay(caller, 'create', namespace);
      const body = parseJsonObject(await readBody(req));
      if (!fits(PlanRequestSchema, body) || !isJsonObject(body.with)) {
        const mistakes = mistakesOf(PlanRequestSchema, body);
        throw new Problem('invalid-parameters', 'the body must be { "with": { … } }', { mistakes });
      }
      const step = String(req.params.step);
      sendJson(res, 200, await engine.plan({ step, namespace, with: body.with }));
    },
  };
}
