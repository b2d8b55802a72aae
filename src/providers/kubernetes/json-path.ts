import { isJsonObject, type Json } from '../../core/json.ts';
import { type Comparison, type Operand, parseJsonPath, type Segment } from './json-path-syntax.ts';

export { JsonPathError } from './json-path-syntax.ts';

/**
 * A path that was understood. Unlike kubectl, which ends with an error there, an index beyond the list, a filter on
 * something that is no list and a comparison of different types find nothing.
 */
export class JsonPath {
  readonly #segments: readonly Segment[];

  /** Throws JsonPathError. */
  constructor(text: string) {
    this.#segments = parseJsonPath(text);
  }

  /** All that the path leads to, in the order of the document. */
  find(root: Json): Json[] {
    return follow(this.#segments, [root]);
  }

  /**
   * What an output holds: the value, or null where there is none. A path with a wildcard, a slice, several indexes or
   * names, or `..` gives a list, whatever it finds; a filter does so where it finds several.
   */
  select(root: Json): Json {
    const found = this.find(root);
    const [only = null] = found;
    return found.length > 1 || this.#segments.some(givesList) ? found : only;
  }
}

/** As kubectl prints it: texts without quotes, the rest as JSON. */
export function printed(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function givesList(segment: Segment): boolean {
  switch (segment.kind) {
    case 'fields':
      return segment.names.length > 1;
    case 'indexes':
      return segment.indexes.length > 1;
    case 'filter':
      return false;
    default:
      return true;
  }
}

function follow(segments: readonly Segment[], start: readonly Json[]): Json[] {
  return segments.reduce<Json[]>((values, segment) => values.flatMap((value) => step(segment, value)), [...start]);
}

function step(segment: Segment, value: Json): readonly Json[] {
  switch (segment.kind) {
    case 'fields':
      return segment.names.flatMap((name) => fieldOf(value, name));
    case 'indexes':
      return segment.indexes.flatMap((index) => (isList(value) ? (value.at(index) ?? []) : []));
    case 'slice':
      return isList(value) ? sliceOf(value, segment) : [];
    case 'children':
      return childrenOf(value);
    case 'descendants':
      return withDescendants(value);
    case 'filter':
      return isList(value) ? value.filter((item) => holds(segment, item)) : [];
  }
}

function fieldOf(value: Json, name: string): Json[] {
  if (!isJsonObject(value) || !Object.hasOwn(value, name)) return [];
  const field = value[name];
  return field === undefined ? [] : [field];
}

function sliceOf(list: readonly Json[], { start, end, step }: Extract<Segment, { kind: 'slice' }>): Json[] {
  return list.slice(start, end).filter((_, index) => index % step === 0);
}

function childrenOf(value: Json): readonly Json[] {
  if (isList(value)) return value;
  return isJsonObject(value) ? Object.values(value).filter((child) => child !== undefined) : [];
}

function withDescendants(value: Json): Json[] {
  return [value, ...childrenOf(value).flatMap(withDescendants)];
}

function holds({ left, test, right }: Extract<Segment, { kind: 'filter' }>, item: Json): boolean {
  const found = valuesOf(left, item);
  if (test === undefined || right === undefined) return found.length > 0;
  const others = valuesOf(right, item);
  return found.some((one) => others.some((other) => compare(one, test, other)));
}

function valuesOf(operand: Operand, item: Json): readonly Json[] {
  return 'path' in operand ? follow(operand.path, [item]) : [operand.value];
}

function compare(one: Json, test: Comparison, other: Json): boolean {
  if (test === '==') return one === other;
  if (test === '!=') return one !== other;
  if (typeof one === 'number' && typeof other === 'number') return inOrder(one - other, test);
  if (typeof one !== 'string' || typeof other !== 'string') return false;
  return inOrder(one < other ? -1 : Number(one > other), test);
}

function inOrder(difference: number, test: Comparison): boolean {
  if (test === '<') return difference < 0;
  if (test === '<=') return difference <= 0;
  return test === '>' ? difference > 0 : difference >= 0;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
