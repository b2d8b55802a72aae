import type { Static } from '@sinclair/typebox';
import type { AnyConnectionType, ConnectionSettings } from '../core/connection.ts';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import { withDefaults } from '../core/schema.ts';
import { FirstPlaces } from './first-places.ts';
import type { MistakeList } from './mistake-list.ts';
import { expectedOneOf } from './nearest.ts';
import { toPointer } from './pointer.ts';
import { CommonConnectionSchema, connectionSchema } from './settings-schema.ts';

/** One connection as it stands in a file. */
export interface ConnectionSource {
  readonly value: unknown;
  readonly pointer: string;
  /** Where a credential is that the connection names so. */
  readonly credentialAt: (text: string) => string;
  /** Of the file. */
  readonly mistakes: MistakeList;
}

/** A credential file that the configuration names, and where it does so. */
export interface CredentialPath extends Pick<ConnectionSource, 'pointer' | 'mistakes'> {
  readonly path: string;
}

/** Reads connections, wherever they stand. What it returns is of use only where no mistake was added. */
export function readConnections(
  sources: readonly ConnectionSource[],
  surroundings: {
    readonly types: readonly AnyConnectionType[];
    /** The executor's own: alone it may use a connection that names no namespaces. */
    readonly ownNamespace: string;
  },
): { readonly connections: readonly ConnectionSettings[]; readonly credentialPaths: readonly CredentialPath[] } {
  const { types, ownNamespace } = surroundings;
  const connections: ConnectionSettings[] = [];
  const credentialPaths: CredentialPath[] = [];
  const names = new FirstPlaces();
  const defaults = new FirstPlaces();

  for (const { value, pointer, credentialAt, mistakes } of sources) {
    const type = checkedType(value, pointer, types, mistakes);
    if (!isJsonObject(value)) continue;

    const { name } = value;
    const sameName = names.firstOf(name, mistakes.placeText(`${pointer}/name`));
    if (typeof name === 'string' && sameName !== undefined) {
      mistakes.add(`${pointer}/name`, `expected a name of its own, found "${name}" again; the first is at ${sameName}`);
    }
    const sameFamily =
      value.default === true && type
        ? defaults.firstOf(type.family, mistakes.placeText(`${pointer}/default`))
        : undefined;
    if (type !== undefined && sameFamily !== undefined) {
      mistakes.add(
        `${pointer}/default`,
        `expected one default among the ${type.family} connections, found another; the first is at ${sameFamily}`,
      );
    }

    const resolved = mapStrings(value, pointer, (text, key, at) => {
      if (hasPassword(text)) {
        mistakes.add(at, 'expected a URL without user name and password: credentials are files, never values');
      }
      if (!key.endsWith('File')) return text;
      const path = credentialAt(text);
      credentialPaths.push({ pointer: at, path, mistakes });
      return path;
    });
    if (type === undefined || !isJsonObject(resolved)) continue;
    const place = `${mistakes.source.name}:${mistakes.source.placeOf(pointer).line}`;
    connections.push(toSettings({ value: resolved, type, ownNamespace, place }));
  }
  return { connections, credentialPaths };
}

function checkedType(
  value: unknown,
  pointer: string,
  types: readonly AnyConnectionType[],
  mistakes: MistakeList,
): AnyConnectionType | undefined {
  const name = isJsonObject(value) ? value.type : undefined;
  const type = types.find((candidate) => candidate.type === name);
  if (type === undefined) mistakes.check(CommonConnectionSchema, value, pointer);
  else mistakes.check(connectionSchema(type), withDefaults(type.options, value), pointer);
  if (type === undefined && typeof name === 'string' && name !== '') {
    const known = types.map((candidate) => candidate.type).sort();
    mistakes.add(`${pointer}/type`, expectedOneOf(known, name));
  }
  return type;
}

function toSettings({
  value,
  type,
  ownNamespace,
  place,
}: {
  readonly value: JsonObject;
  readonly type: AnyConnectionType;
  readonly ownNamespace: string;
  readonly place: string;
}): ConnectionSettings {
  // Where the value does not fit, a mistake was added, and nobody gets to see this.
  const {
    name,
    type: _,
    owner,
    default: isDefault,
    allow,
    ...options
  } = value as Static<typeof CommonConnectionSchema>;
  return {
    name,
    type: type.type,
    ...(owner !== undefined && { owner }),
    allow: { namespaces: [ownNamespace], ...type.allowByDefault, ...allow },
    isDefault: isDefault ?? false,
    options: withDefaults(type.options, options) as Readonly<Record<string, Json>>,
    place,
  };
}

/** The value with each string in it replaced; `key` is the nearest key around the string, `at` its pointer. */
function mapStrings(
  value: Json | undefined,
  pointer: string,
  replace: (text: string, key: string, at: string) => string,
  key = '',
): Json | undefined {
  if (typeof value === 'string') return replace(value, key, pointer);
  if (Array.isArray(value))
    return value.map((item, index) => mapStrings(item, `${pointer}/${index}`, replace, key) ?? null);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, mapStrings(item, pointer + toPointer([name]), replace, name)]),
  );
}

/** As clients read URLs, which takes any number of slashes, of either kind; and what only looks like one, such as by its port. */
function hasPassword(text: string): boolean {
  const url = URL.parse(text);
  return Boolean(url?.username || url?.password) || /^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*@/i.test(text);
}
