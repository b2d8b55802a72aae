import { type TSchema, Type } from '@sinclair/typebox';
import { limits } from '../core/limits.ts';
import { DurationSchema, ExecutionRequestSchema } from '../core/request.ts';
import { ExecutionAnswerSchema } from './answer.ts';
import { CuexAnswerSchema, CuexParamsSchema } from './cuex.ts';
import { ProblemSchema } from './problem.ts';
import { WebhookEventSchema } from './webhooks.ts';

const JsonSchema = Type.Record(Type.String(), Type.Unknown(), { description: 'A JSON Schema.' });

/** The body of POST /v1/steps/{step}:plan. */
export const PlanRequestSchema = Type.Object(
  { with: Type.Record(Type.String(), Type.Unknown(), { description: "The step's parameters." }) },
  { additionalProperties: false },
);

const PlanSchema = Type.Object(
  {
    calls: Type.Array(
      Type.Object(
        {
          description: Type.String(),
          method: Type.String(),
          url: Type.String({ description: 'Without secrets.' }),
          count: Type.Integer({ minimum: 0 }),
        },
        { additionalProperties: false },
      ),
    ),
    seconds: Type.Number({ minimum: 0, description: "Lower bound from the provider's limits, without round trips." }),
    costUsd: Type.Optional(Type.Number({ minimum: 0, description: 'Where the provider charges for it.' })),
    notes: Type.Array(Type.String()),
  },
  { additionalProperties: false, description: 'What a step would do. Nothing was sent to find it out.' },
);

const StepListSchema = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          description: Type.String(),
          defaultTimeout: DurationSchema,
          canPlan: Type.Boolean(),
          params: JsonSchema,
          outputs: JsonSchema,
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

const ExecutionListSchema = Type.Object(
  {
    items: Type.Array(componentRef('Execution'), { maxItems: limits.pageItems }),
    continue: Type.Optional(Type.String({ description: 'Where the next page begins; absent on the last one.' })),
  },
  {
    additionalProperties: false,
    description: 'Newest first. A page may hold less than its limit and not be the last.',
  },
);

/** The named schemas of the OpenAPI document; each step adds its own two. */
export const components = {
  CuexAnswer: CuexAnswerSchema,
  CuexParams: CuexParamsSchema,
  Execution: ExecutionAnswerSchema,
  ExecutionList: ExecutionListSchema,
  ExecutionRequest: ExecutionRequestSchema,
  Plan: PlanSchema,
  PlanRequest: PlanRequestSchema,
  Problem: ProblemSchema,
  StepList: StepListSchema,
  WebhookEvent: WebhookEventSchema,
} as const satisfies Record<string, TSchema>;

export type ComponentName = keyof typeof components;

function componentRef(name: string): TSchema {
  return Type.Unsafe({ $ref: `#/components/schemas/${name}` });
}
