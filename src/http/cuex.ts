import type { IncomingMessage } from 'node:http';
import { Type } from '@sinclair/typebox';
import type { Response } from 'express';
import { isFinal } from '../core/execution.ts';
import type { Problem } from '../core/problem.ts';
import { ExecutionRequestSchema, OriginSchema } from '../core/request.ts';
import { mistakesOf } from '../core/schema.ts';
import { assertNone } from '../engine/accept.ts';
import type { Engine } from '../engine/engine.ts';
import type { Admit } from './admit.ts';
import { ExecutionAnswerSchema, sendJson, toAnswer } from './answer.ts';
import { parseJsonObject, type ReadBody } from './body.ts';
import type { Handlers } from './handlers.ts';
import { ProblemSchema } from './problem.ts';
import { requireChosenId } from './request-key.ts';
import { told, type WorkflowOrigins } from './workflow-origins.ts';

const cuexPath = '/v1/cuex/';

const { step: _, ...siblings } = ExecutionRequestSchema.properties;

/** What KubeVela sends of a function of the package: its `$params`. The path names the step. */
export const CuexParamsSchema = Type.Object({ ...siblings, origin: OriginSchema }, { additionalProperties: false });

const { state, message, outputs, ...others } = ExecutionAnswerSchema.properties;
const { code, detail, status } = ProblemSchema.properties;

/** What becomes the function's `$returns`. */
export const CuexAnswerSchema = Type.Object(
  {
    state,
    message,
    outputs,
    final: Type.Boolean({ description: 'Whether it has ended: asking again will tell nothing else.' }),
    error: Type.Optional(
      Type.Object(
        { code, detail, status },
        { additionalProperties: false, description: 'The problem that another call would have answered.' },
      ),
    ),
    ...Type.Partial(Type.Object(others)).properties,
  },
  {
    additionalProperties: false,
    description:
      'The execution; or a problem, which is failed where it is final, and pending where the request is to be sent again.',
  },
);

/** The steps as functions of a KubeVela CueX package, which are asked again at each tick. */
export function cuexHandlers({
  engine,
  admit,
  workflowOrigins,
  readBody,
}: {
  readonly engine: Engine;
  readonly admit: Admit;
  readonly workflowOrigins: WorkflowOrigins;
  readonly readBody: ReadBody;
}): Pick<Handlers, 'callCuex'> {
  return {
    async callCuex(exchange) {
      const { req, res } = exchange;
      const params = parseJsonObject(await readBody(req));
      assertNone(mistakesOf(CuexParamsSchema, params));
      const body = { ...params, step: String(req.params.step) };
      const { namespace, caller } = await admit(exchange, body);
      const id = requireChosenId((params.origin as { readonly sessionID: string }).sessionID);
      const { execution } = await engine.accept({ namespace, id, body, caller });
      told(workflowOrigins, execution);
      sendJson(res, 200, { ...toAnswer(execution), final: isFinal(execution.status.state) });
    },
  };
}

/** KubeVela looks at no status, and takes an answer for a fault of the call unless it is a JSON object. */
export function isCuexCall({ method, url = '' }: IncomingMessage): boolean {
  return method === 'POST' && url.startsWith(cuexPath);
}

export function sendCuexProblem(res: Response, { code, message, status }: Problem): void {
  const isTemporary = status >= 500 || status === 429;
  sendJson(res, 200, {
    state: isTemporary ? 'pending' : 'failed',
    // Constant for as long as nothing happens: KubeVela asks each second while it changes.
    message: isTemporary ? 'aftersync cannot answer now; asking again' : message,
    outputs: {},
    final: !isTemporary,
    error: { code, detail: message, status },
  });
}
