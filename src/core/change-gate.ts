import { type Static, Type } from '@sinclair/typebox';
import { ClusterConnectionSchema, ObjectNameSchema } from './awaited-object.ts';
import type { Json } from './json.ts';
import type { InputMistake } from './problem.ts';
import type { GateContext } from './ready-gate.ts';
import type { ConnectionUse, Outcome } from './step.ts';

const mostFields = 50;

/** What must have changed since the last success, whichever step it is. */
export const OnChangeSchema = Type.Object(
  {
    object: Type.Optional({ ...ObjectNameSchema, description: 'The object whose fields are looked at.' }),
    fields: Type.Optional(
      Type.Array(
        Type.String({ minLength: 1, maxLength: 1_024, examples: ['.spec.template.spec.containers[0].image'] }),
        {
          minItems: 1,
          maxItems: mostFields,
          description:
            'JSONPaths in the object. Default: metadata.generation; for a Deployment, and for kinds without one, everything but metadata and status.',
        },
      ),
    ),
    component: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: 'The objects of this component of the Application.',
        examples: ['web'],
      }),
    ),
    key: Type.Optional(Type.Unknown({ description: 'Any value, such as a digest that an earlier step has made.' })),
    scope: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description:
          'For callers of the API: what recurs. Executions of one step with one scope in one namespace are compared. A workflow step is its own scope.',
        examples: ['shop-web'],
      }),
    ),
    connection: Type.Optional(ClusterConnectionSchema),
  },
  {
    additionalProperties: false,
    description:
      'The step is skipped (Unchanged) unless this has changed since its last success. One of object, component and key.',
  },
);
export type OnChange = Static<typeof OnChangeSchema>;

/** What is compared, and in `value` what of it people may want to see. */
export interface Seen {
  /** Any JSON that differs when, and only when, there is a change. */
  readonly evidence: Json;
  readonly value: Json;
}

/** Looks after `onChange`. It advances as a step does, until it has seen what there is to compare. */
export interface ChangeGate {
  /** What the schema cannot say; paths are below `onChange`. */
  check(onChange: OnChange): readonly InputMistake[];
  uses(onChange: OnChange): readonly ConnectionUse[];
  look(
    context: GateContext,
    onChange: OnChange,
  ): Promise<{ readonly seen: Seen } | Exclude<Outcome<never>, { kind: 'succeeded' }>>;
}
