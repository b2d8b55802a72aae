import { FormatRegistry, Kind, type Static, type TSchema } from '@sinclair/typebox';
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value';
import type { InputMistake } from './problem.ts';

const mostMistakes = 20;

/** Fills the schema's defaults into a copy. Unknown keys stay, so that mistakesOf can name them. */
export function withDefaults<S extends TSchema>(schema: S, value: unknown): unknown {
  return Value.Default(schema, structuredClone(value));
}

export function fits<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  return Value.Check(schema, value);
}

/** Every mistake at once, at most 20: where it is, what was expected, and what stands there. Empty: the value fits. */
export function mistakesOf(schema: TSchema, value: unknown): InputMistake[] {
  const mistakes = new Map<string, InputMistake>();
  for (const error of Value.Errors(schema, value)) {
    // A missing key is reported again as a wrong type; the first report says it better.
    if (!mistakes.has(error.path)) mistakes.set(error.path, { path: error.path, message: messageOf(error) });
    if (mistakes.size >= mostMistakes) break;
  }
  return [...mistakes.values()];
}

function messageOf(error: ValueError): string {
  const hint = typeof error.schema.errorMessage === 'string' ? error.schema.errorMessage : undefined;
  switch (error.type) {
    case ValueErrorType.ObjectRequiredProperty:
      return `is missing: expected ${hint ?? expected(error.schema)}`;
    case ValueErrorType.ObjectAdditionalProperties:
      return 'is not a known key';
    default:
      return `expected ${hint ?? expected(error.schema)}, found ${found(error.value)}`;
  }
}

/** What a schema wants, in a few words. */
export function expected(schema: TSchema): string {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(expected).join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((value: unknown) => JSON.stringify(value)).join(' or ');
  const limits: string[] = [];
  for (const [key, words] of [
    ['minimum', 'at least'],
    ['maximum', 'at most'],
    ['minLength', 'of at least this many characters:'],
    ['maxLength', 'of at most this many characters:'],
    ['minItems', 'with at least this many items:'],
    ['maxItems', 'with at most this many items:'],
    ['minProperties', 'with at least this many keys:'],
    ['maxProperties', 'with at most this many keys:'],
    ['pattern', 'that matches'],
  ] as const) {
    if (schema[key] !== undefined) limits.push(`${words} ${String(schema[key])}`);
  }
  const type: unknown = schema.type ?? schema[Kind];
  const article = /^[aeio]/.test(String(type)) ? 'an' : 'a';
  return [`${article} ${String(type)}`, ...limits].join(' ');
}

/** The value itself is left out unless it is short: it may be long, or private. */
function found(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `a ${typeof value} of ${String(value).length} characters`;
}

/** Formats are documentation here: each such string has a pattern, or is checked where it is used. */
for (const format of ['uri', 'date-time']) {
  if (!FormatRegistry.Has(format)) FormatRegistry.Set(format, () => true);
}
