import type { FieldPath } from './field-path.ts';

/** Words that CUE reads otherwise: as fields they are quoted. */
const keywords: ReadonlySet<string> = new Set(['false', 'for', 'func', 'if', 'in', 'let', 'null', 'true']);

const name = String.raw`(?<name>[\p{L}$][\p{L}\p{Nd}_$]*)`;
const quoted = String.raw`"(?:[^"\\]|\\.)*"`;
const selector = new RegExp(
  String.raw`[ \t]*(?:\.\s*(?:${name}|(?<field>${quoted}))|\[\s*(?:(?<key>${quoted})|(?<index>0|[1-9][0-9]*))[ \t]*\])`,
  'uy',
);

/**
 * The field of a step's properties that an input with this `parameterKey` feeds. KubeVela sets the CUE path
 * `parameter.<parameterKey>` (kubevela/workflow: pkg/hooks/data_passing.go, pkg/cue/model/value/value.go); of a path with an
 * index it is the whole list, which the engine pads besides. Undefined: nothing is fed, as with a key that is no path, or
 * with a hidden field or a definition. What CUE reads and this does not (`a[0x1]`, comments) is taken as feeding nothing,
 * so that the field has to be as it is declared.
 */
export function fieldFedBy(parameterKey: string): FieldPath | undefined {
  const text = `.${parameterKey.trim()}`;
  const path: string[] = [];
  let isInList = false;
  for (let at = 0; at < text.length; at = selector.lastIndex) {
    selector.lastIndex = at;
    const found = selector.exec(text)?.groups;
    if (found === undefined) return undefined;
    const label = found.name ?? unquoted(found.field ?? found.key);
    if (found.index !== undefined) isInList = true;
    else if (label === undefined || label === '' || (found.name !== undefined && keywords.has(label))) return undefined;
    else if (!isInList) path.push(label);
  }
  return path;
}

/** The escapes that CUE has and JSON has not are used by nobody in a name. */
function unquoted(literal: string | undefined): string | undefined {
  try {
    return literal === undefined ? undefined : JSON.parse(literal);
  } catch {
    return undefined;
  }
}
