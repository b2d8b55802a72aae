import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';

/**
 * A path as CUE writes it: `a.b`, `a["b-c"]`, `a."b-c"`, `a[0]`. Undefined for what is none, such as `a-b`.
 * Source: ParsePath of cuelang.org/go, by way of kubevela/workflow: pkg/cue/model/value/value.go
 */
export function parsePath(path: string): readonly (string | number)[] | undefined {
  const part = /(?:^|\.)([$\p{L}][\w$]*)|(?:^|\.)("(?:[^"\\]|\\.)*")|\[("(?:[^"\\]|\\.)*")\]|\[(\d+)\]/uy;
  const parts: (string | number)[] = [];
  while (part.lastIndex < path.length) {
    const match = part.exec(path);
    if (match === null) return undefined;
    const [, word, quoted, inBrackets, index] = match;
    const text = quoted ?? inBrackets;
    if (index !== undefined) parts.push(Number(index));
    else parts.push(text === undefined ? (word ?? '') : (JSON.parse(text) as string));
  }
  return parts.length === 0 ? undefined : parts;
}

/** What stands at the path, undefined where there is nothing. */
export function lookUp(value: Json | undefined, path: readonly (string | number)[] | undefined): Json | undefined {
  if (path === undefined) return undefined;
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (typeof first === 'number') return Array.isArray(value) ? lookUp(value[first], rest) : undefined;
  return isJsonObject(value) && Object.hasOwn(value, first) ? lookUp(value[first], rest) : undefined;
}

/**
 * A copy with the value at the path, as KubeVela's SetValueByScript fills an input in: what stood there is replaced, structs
 * on the way are made, lists are filled up with empty structs. An index into what does not exist makes a field of that name.
 */
export function fillIn(value: Json | undefined, [first, ...rest]: readonly (string | number)[], filling: Json): Json {
  if (first === undefined) return filling;
  if (Array.isArray(value)) {
    if (typeof first !== 'number') throw new Error(`invalid key type of ${first} in a list`);
    if (first >= value.length && rest.length > 0) throw new Error(`no element ${first} in the list`);
    const list: Json[] = [...value];
    while (list.length < first) list.push({});
    list[first] = fillIn(list[first], rest, filling);
    return list;
  }
  if (value !== undefined && !isJsonObject(value)) throw new Error(`cannot fill in ${first}: there is no struct`);
  const fields: JsonObject = value ?? {};
  return { ...fields, [first]: fillIn(fields[first], rest, filling) };
}
