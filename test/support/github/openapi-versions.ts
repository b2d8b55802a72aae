import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';

const BREAKING = 'x-github-breaking-changes';

/**
 * The description as it reads for one X-GitHub-Api-Version. GitHub keeps one text, written for the oldest version, and
 * notes what later ones change beside it: a JSON patch on operations, a merge patch (RFC 7396) on schemas.
 */
export function atApiVersion(value: JsonObject, apiVersion: string): JsonObject {
  let current: JsonObject = value;
  for (const change of changesIn(value)) {
    if (typeof change.version !== 'string' || change.version > apiVersion) continue;
    if (Array.isArray(change.patch)) current = change.patch.filter(isJsonObject).reduce(jsonPatched, current);
    else if (isJsonObject(change.patch)) current = mergePatched(current, change.patch);
  }
  const entries = Object.entries(current).map(([key, child]) => [key, inner(child)] as const);
  return Object.fromEntries(entries);

  function inner(child: Json | undefined): Json | undefined {
    if (Array.isArray(child)) return child.map((item: Json) => inner(item) ?? null);
    return isJsonObject(child) ? atApiVersion(child, apiVersion) : child;
  }
}

function changesIn(value: JsonObject): readonly JsonObject[] {
  const changes = value[BREAKING];
  return Array.isArray(changes) ? changes.filter(isJsonObject) : [];
}

/** Only the operations that GitHub uses: remove and replace. */
function jsonPatched(target: JsonObject, { op, path, value }: JsonObject): JsonObject {
  const parts = String(path).slice(1).split('/');
  return patchedAt(
    target,
    parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')),
  );

  function patchedAt(node: JsonObject, [key = '', ...rest]: readonly string[]): JsonObject {
    const { [key]: child, ...others } = node;
    if (child === undefined) throw new Error(`${path} leads nowhere`);
    if (rest.length > 0) return { ...node, [key]: isJsonObject(child) ? patchedAt(child, rest) : child };
    if (op === 'remove') return others;
    if (op === 'replace') return { ...node, [key]: value };
    throw new Error(`JSON patch operation ${String(op)}: teach it to this file`);
  }
}

function mergePatched(target: JsonObject, patch: JsonObject): JsonObject {
  const merged: Record<string, Json | undefined> = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    const before = merged[key];
    if (value === null) delete merged[key];
    else merged[key] = isJsonObject(value) ? mergePatched(isJsonObject(before) ? before : {}, value) : value;
  }
  return merged;
}

/**
 * OpenAPI 3.0 to JSON Schema: `nullable` joins the type and the enum. Stricter than GitHub says in one thing: an object
 * with listed properties has no others, so that the stand-in cannot invent fields for a client to rely on.
 */
export function toJsonSchema(value: JsonObject): JsonObject {
  const { nullable, ...rest } = value;
  const converted: Record<string, Json | undefined> = {};
  for (const [key, child] of Object.entries(rest)) converted[key] = inner(child);
  if (isJsonObject(value.properties) && value.type === 'object') converted.additionalProperties ??= false;
  if (nullable === true) {
    if (typeof value.type === 'string') converted.type = [value.type, 'null'];
    if (Array.isArray(value.enum)) converted.enum = [...value.enum, null];
  }
  return converted;
}

function inner(child: Json | undefined): Json | undefined {
  if (Array.isArray(child)) return child.map((item: Json) => inner(item) ?? null);
  return isJsonObject(child) ? toJsonSchema(child) : child;
}
