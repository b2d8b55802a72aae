import { isJsonObject, type JsonObject } from '../../core/json.ts';

/** The names that lead from the whole to a field. */
export type FieldPath = readonly string[];

/** As a JSON Pointer (RFC 6901): `/inputs/a~1b`. */
export function toPointer(path: FieldPath): string {
  return path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Of a pointer without escapes, as the names of our own fields need none. */
export function fromPointer(pointer: string): FieldPath {
  return pointer.split('/').slice(1);
}

/** Whether who sets one of them may set something of the other: they are the same, or one lies within the other. */
export function overlap(one: FieldPath, other: FieldPath): boolean {
  const shorter = Math.min(one.length, other.length);
  return one.slice(0, shorter).every((name, index) => name === other[index]);
}

/** Without the field, and without the objects around it that hold nothing else: whoever sets the field makes those too. */
export function withoutField(object: JsonObject, [name, ...rest]: FieldPath): JsonObject {
  if (name === undefined || !Object.hasOwn(object, name)) return object;
  const { [name]: value, ...others } = object;
  if (rest.length === 0) return others;
  if (!isJsonObject(value)) return object;
  const remains = withoutField(value, rest);
  return Object.keys(remains).length === 0 ? others : { ...others, [name]: remains };
}
