import { isJsonObject, type Json } from '../../core/json.ts';
import { type FieldPath, toPointer } from './field-path.ts';

/** Longer texts may hold more than people should come across. */
const longestShown = 64;

/** Where two values differ, and how each looks there; undefined: nothing stands there. */
export interface Difference {
  readonly path: FieldPath;
  readonly declared: Json | undefined;
  readonly asked: Json | undefined;
}

/** The first by the order of the names; undefined where both are the same JSON. */
export function firstDifference(
  declared: Json | undefined,
  asked: Json | undefined,
  path: FieldPath = [],
): Difference | undefined {
  if (declared === asked) return undefined;
  for (const [name, one, other] of pairs(declared, asked)) {
    const difference = firstDifference(one, other, [...path, name]);
    if (difference !== undefined) return difference;
  }
  return areAlike(declared, asked) ? undefined : { path, declared, asked };
}

/** `/ref is "main" in the declaration, "next" in the request` */
export function differenceInWords({ path, declared, asked }: Difference): string {
  return `${toPointer(path)} is ${inWords(declared)} in the declaration, ${inWords(asked)} in the request`;
}

function areAlike(one: Json | undefined, other: Json | undefined): boolean {
  return (isJsonObject(one) && isJsonObject(other)) || (Array.isArray(one) && Array.isArray(other));
}

/** What is within both by its name; nothing where they are not alike. */
function pairs(
  one: Json | undefined,
  other: Json | undefined,
): readonly (readonly [name: string, one: Json | undefined, other: Json | undefined])[] {
  if (Array.isArray(one) && Array.isArray(other)) {
    const longer = one.length < other.length ? other : one;
    return longer.map((_, index) => [String(index), one[index], other[index]]);
  }
  if (!isJsonObject(one) || !isJsonObject(other)) return [];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return names.map((name) => [
    name,
    Object.hasOwn(one, name) ? one[name] : undefined,
    Object.hasOwn(other, name) ? other[name] : undefined,
  ]);
}

function inWords(value: Json | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (isJsonObject(value)) return 'an object';
  const text = JSON.stringify(value);
  return text.length <= longestShown ? text : `a text of ${String(value).length} characters`;
}
