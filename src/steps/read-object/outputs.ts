import { type Static, Type } from '@sinclair/typebox';
import { type JsonObject, jsonBytes } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Outcome } from '../../core/step.ts';
import { JsonPath } from '../../providers/kubernetes/json-path.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';

const ValueSchema = Type.Record(Type.String(), Type.Unknown());

/** At the places where KubeVela's own read-object has them, beside what `select` names. */
export const OutputsSchema = Type.Object(
  {
    value: Type.Optional({
      ...ValueSchema,
      description: 'The object without managedFields; empty where a missing one is ignored, left out with select.',
    }),
    err: Type.Optional(Type.String({ description: 'Why there is no object, where a missing one is ignored.' })),
    $returns: Type.Optional(
      Type.Object(
        { value: Type.Optional(ValueSchema), err: Type.Optional(Type.String()) },
        { description: 'The same once more.' },
      ),
    ),
  },
  { additionalProperties: true },
);
export type Outputs = Static<typeof OutputsSchema> & JsonObject;

/** What onChange tells of every step. */
const ofOnChange = ['changed', 'oldValue', 'newValue'];

/** Names that `select` may not take. */
export const ownOutputs: ReadonlySet<string> = new Set([...Object.keys(OutputsSchema.properties), ...ofOnChange]);

type Select = Readonly<Record<string, string>>;

/** The end of a read that found its object as it should be. */
export function found(object: KubernetesObject, select: Select | undefined, words: string): Outcome<Outputs> {
  const outputs = select === undefined ? whole({ value: object }) : selected(object, select);
  const bytes = jsonBytes(outputs);
  if (bytes <= limits.outputsBytes) return { kind: 'succeeded', message: words, outputs };
  const size = `${words}, but its outputs have ${bytes} bytes and at most ${limits.outputsBytes} are kept`;
  const hint = select === undefined ? 'take the fields that you need with select' : 'select less';
  return { kind: 'failed', reason: 'TooLarge', message: `${size}: ${hint}` };
}

/** The end of a read whose object may be missing, and is. */
export function absent(select: Select | undefined, err: string): Outcome<Outputs> {
  const nulls = Object.fromEntries(Object.keys(select ?? {}).map((name) => [name, null]));
  return { kind: 'succeeded', message: err, outputs: { ...nulls, ...whole({ value: {}, err }) } };
}

function whole(returns: { readonly value: JsonObject; readonly err?: string }): Outputs {
  return { ...returns, $returns: returns } as Outputs;
}

function selected(object: KubernetesObject, select: Select): Outputs {
  return Object.fromEntries(Object.entries(select).map(([name, path]) => [name, new JsonPath(path).select(object)]));
}
