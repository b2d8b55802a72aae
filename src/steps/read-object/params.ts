import { type Static, Type } from '@sinclair/typebox';
import { ClusterConnectionSchema, objectProperties, WaitForSchema } from '../../core/awaited-object.ts';
import type { InputMistake } from '../../core/problem.ts';
import { mistakesInPath, mistakesInWaitFor } from './observe.ts';
import { ownOutputs } from './outputs.ts';

const mostSelected = 50;

/** As of KubeVela's own read-object (kubevela: vela-templates/definitions/internal/workflowstep/read-object.cue). */
export const defaults = { kind: 'Application', apiVersion: 'core.oam.dev/v1beta1' } as const;

/** The names of CUE fields that need no quotes, so that `output.NAME` reads them. */
const outputName = '^[A-Za-z_][A-Za-z0-9_]{0,62}$';

export const ParamsSchema = Type.Object(
  {
    ...objectProperties,
    apiVersion: Type.Optional({
      ...objectProperties.apiVersion,
      description: `Default: ${defaults.apiVersion} where that has the kind, else the version that the cluster prefers, where only one API has it.`,
    }),
    kind: Type.Optional({ ...objectProperties.kind, default: defaults.kind }),
    waitFor: Type.Optional({ ...WaitForSchema, description: `${WaitForSchema.description} Default: at once.` }),
    select: Type.Optional(
      Type.Record(Type.String({ pattern: outputName }), Type.String({ minLength: 1, maxLength: 1_024 }), {
        minProperties: 1,
        maxProperties: mostSelected,
        additionalProperties: false,
        description: "Outputs by name, each a JSONPath as kubectl's. With it the object itself is left out.",
        examples: [{ image: '.spec.template.spec.containers[0].image' }],
      }),
    ),
    missing: Type.Optional(
      Type.Union([Type.Literal('fail'), Type.Literal('wait'), Type.Literal('ignore')], {
        description: 'When the object is not there. Default: wait with waitFor, fail without.',
      }),
    ),
    connection: Type.Optional(ClusterConnectionSchema),
  },
  { additionalProperties: false },
);
export type Params = Static<typeof ParamsSchema>;

/** What the schema cannot say. */
export function mistakesIn(params: Params): InputMistake[] {
  const mistakes = mistakesInWaitFor(params.waitFor);
  for (const [name, path] of Object.entries(params.select ?? {})) {
    mistakes.push(...mistakesInPath(`/select/${name}`, path));
    if (ownOutputs.has(name)) {
      mistakes.push({ path: `/select/${name}`, message: 'is an output of every step of this kind: take another name' });
    }
  }
  return mistakes;
}
