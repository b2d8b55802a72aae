type Json = Readonly<Record<string, unknown>>;

/** What a JSON Schema and a CUE type both say of a value; patterns and bounds, which CUE leaves to the executor, not. */
export type Shape =
  | string
  | { readonly listOf: Shape }
  | { readonly mapOf: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> }
  | { readonly oneOf: readonly Shape[] };

/**
 * The shape of a schema: of a step's own, or of the OpenAPI that CUE makes of a definition's parameters (whose references
 * are looked up in `components`). Fields that may be left out have a question mark, as in CUE.
 */
export function shapeOf(schema: Json, components: Readonly<Record<string, Json>> = {}): Shape {
  const shape = (inner: unknown) => shapeOf(inner as Json, components);
  if (typeof schema.$ref === 'string') return shape(components[schema.$ref.split('/').at(-1) ?? '']);
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return oneOf(choices.map(shape));
  if (Array.isArray(schema.enum)) return oneOf(schema.enum.map((value) => JSON.stringify(value)));
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === 'array') return { listOf: shape(schema.items) };
  if (schema.type !== 'object') return String(schema.type);
  if (schema.properties === undefined) {
    const [values] = Object.values((schema.patternProperties ?? {}) as Json);
    return { mapOf: shape(values ?? schema.additionalProperties) };
  }
  const required = new Set(schema.required as readonly string[] | undefined);
  const fields = Object.entries(schema.properties as Json).map(([name, field]) => [
    required.has(name) ? name : `${name}?`,
    shape(field),
  ]);
  return { fields: Object.fromEntries(fields) };
}

/** In an order that depends on nothing but the choices, and without choices in choices. */
function oneOf(choices: readonly Shape[]): Shape {
  const flat = choices.flatMap((choice) => (typeof choice === 'object' && 'oneOf' in choice ? choice.oneOf : [choice]));
  const sorted = [...flat].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const [only] = sorted;
  return sorted.length === 1 && only !== undefined ? only : { oneOf: sorted };
}
