import { type Static, Type } from '@sinclair/typebox';
import { OnChangeSchema } from './change-gate.ts';
import { ReadyWhenSchema } from './ready-gate.ts';
import { durationPattern } from './time.ts';

/** DNS label: what Kubernetes takes as a name, so that each execution can be an object of its own. */
export const labelPattern = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$';
const label = new RegExp(labelPattern);

export function isLabel(text: string): boolean {
  return label.test(text);
}

/** Ids that begin so are made by the executor: from an Idempotency-Key, or at random. */
export const ownIdPrefix = 'x-';

export const DurationSchema = Type.String({
  pattern: durationPattern,
  maxLength: 32,
  examples: ['30s', '10m', '2h'],
  errorMessage: 'a duration such as 30s, 10m or 2h',
});

export const OriginSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('Application'), Type.Literal('WorkflowRun')]),
    namespace: Type.String({ pattern: labelPattern }),
    name: Type.String({ minLength: 1, maxLength: 253 }),
    step: Type.String({ minLength: 1, maxLength: 253 }),
    sessionID: Type.String({ minLength: 1, maxLength: 63 }),
  },
  { additionalProperties: false, description: 'The workflow step that asks. It is proven before anything is sent.' },
);

/** The body of PUT and POST /v1/executions. */
export const ExecutionRequestSchema = Type.Object(
  {
    step: Type.String({ minLength: 1, maxLength: 63, description: 'The name of a step; see GET /v1/steps.' }),
    with: Type.Record(Type.String(), Type.Unknown(), {
      description: "The step's parameters, as its schema in GET /v1/steps says.",
    }),
    origin: Type.Optional(OriginSchema),
    timeout: Type.Optional(DurationSchema),
    failurePolicy: Type.Optional(
      Type.Union([Type.Literal('fail'), Type.Literal('ignore')], {
        description: 'ignore: the workflow goes on though the step failed. Default fail.',
      }),
    ),
    onChange: Type.Optional(OnChangeSchema),
    readyWhen: Type.Optional(ReadyWhenSchema),
  },
  { additionalProperties: false, $id: 'ExecutionRequest' },
);

export type ExecutionRequestBody = Static<typeof ExecutionRequestSchema>;
