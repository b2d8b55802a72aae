import { FormatRegistry, Kind, type Static, type TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import { Errors, type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { isJsonObject, type JsonObject } from './json.ts';
import type { InputMistake } from './problem.ts';

const mostMistakes = 20;

/** Compiled at their first use: that checks a request in a tenth of the time that TypeBox takes to interpret its schema. */
const checks = new WeakMap<TSchema, TypeCheck<TSchema>>();

export function fits<S extends TSchema>(schema: S, value: unknown): value is Static<S> {
  const check = checks.get(schema) ?? TypeCompiler.Compile<TSchema>(schema);
  checks.set(schema, check);
  return check.Check(value);
}

/**
 * The value with the schema's defaults in copies of the objects and lists that may lack them; in unions those of the first
 * variant that then fits. Unknown keys stay, so that mistakesOf can name them. (Value.Default of TypeBox does more, and
 * took a third of the time to accept a request.)
 */
export function withDefaults(schema: TSchema, value: unknown): unknown {
  const given: unknown = value === undefined ? schema.default : value;
  if (given === undefined) return undefined;
  if (Array.isArray(schema.anyOf)) return ofFirstThatFits(schema.anyOf, given);
  const items: TSchema | undefined = schema.items;
  if (Array.isArray(given)) return items === undefined ? given : given.map((item) => withDefaults(items, item));
  return isJsonObject(given) ? withPropertyDefaults(schema, given) : given;
}

function ofFirstThatFits(variants: readonly TSchema[], given: unknown): unknown {
  for (const variant of variants) {
    const filled = withDefaults(variant, given);
    if (fits(variant, filled)) return filled;
  }
  return given;
}

function withPropertyDefaults(schema: TSchema, given: JsonObject): Readonly<Record<string, unknown>> {
  const filled: Record<string, unknown> = { ...given };
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  for (const key in properties) {
    const property = withDefaults(properties[key] as TSchema, given[key]);
    if (property !== undefined) filled[key] = property;
  }
  // A record: one schema for all values, whatever pattern its keys follow.
  const [values] = Object.values<TSchema>(schema.patternProperties ?? {});
  if (values !== undefined) for (const key in given) filled[key] = withDefaults(values, given[key]);
  return filled;
}

/** Every mistake at once, at most 20: where it is, what was expected, and what stands there. Empty: the value fits. */
export function mistakesOf(schema: TSchema, value: unknown): InputMistake[] {
  if (fits(schema, value)) return [];
  const mistakes = new Map<string, InputMistake>();
  for (const error of Errors(schema, [], value)) {
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
function expected(schema: TSchema): string {
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(expected).join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((value: unknown) => JSON.stringify(value)).join(' or ');
  const type: unknown = schema.type ?? schema[Kind];
  const words = [/^[aeio]/.test(String(type)) ? 'an' : 'a', String(type)];
  for (const [least, most, unit] of [
    [schema.minimum, schema.maximum, ''],
    [schema.minLength, schema.maxLength, ' characters'],
    [schema.minItems, schema.maxItems, ' items'],
    [schema.minProperties, schema.maxProperties, ' keys'],
  ]) {
    if (least !== undefined && most !== undefined) words.push(`of ${least} to ${most}${unit}`);
    else if (least !== undefined) words.push(`of at least ${least}${unit}`);
    else if (most !== undefined) words.push(`of at most ${most}${unit}`);
  }
  if (schema.pattern !== undefined) words.push(`that matches ${schema.pattern}`);
  return words.join(' ');
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
