import { type Static, type TObject, type TProperties, type TSchema, Type } from '@sinclair/typebox';
import type { AnyConnectionType } from '../core/connection.ts';
import { labelPattern } from '../core/request.ts';

/** An object that takes no other keys, each of them optional. */
function section<P extends TProperties>(properties: P) {
  return Type.Partial(Type.Object(properties), { additionalProperties: false });
}

function oneOf<const V extends readonly string[]>(values: V) {
  return Type.Union(values.map((value) => Type.Literal<V[number]>(value)));
}

const FilePath = Type.String({ minLength: 1, maxLength: 4096, errorMessage: 'the path of a file' });

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

const ConnectionName = Type.String({ minLength: 1, errorMessage: 'the name of a connection' });

/** What works by a cluster, on or off. */
export const ClusterUseSchema = Type.Union([Type.Boolean(), section({ connection: ConnectionName })], {
  errorMessage: 'true, false or { connection: NAME }',
});

export const KubeVelaSchema = section({
  connection: ConnectionName,
  definitions: Type.Array(
    Type.Object(
      {
        // A name of a Kubernetes object; versions of it (`smoke-test@v1.2.0`) count as it.
        type: Type.String({
          pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
          errorMessage: 'the name of a step definition, without a version',
        }),
        step: Type.String({ errorMessage: 'the name of a step' }),
      },
      { additionalProperties: false, errorMessage: 'a definition, which is an object with type and step' },
    ),
    { maxItems: 1_000, errorMessage: 'a list of at most 1000 definitions' },
  ),
  authorityFromInputs: Type.Array(Type.String({ errorMessage: 'a field as STEP/FIELD' }), {
    maxItems: 1_000,
    errorMessage: 'a list of at most 1000 fields, each as STEP/FIELD',
  }),
});
export type KubeVelaSection = Static<typeof KubeVelaSchema>;

export const StoreSchema = section({
  type: oneOf(['sqlite', 'kubernetes']),
  path: FilePath,
  connection: ConnectionName,
  leaseNamespace: Type.String({ pattern: labelPattern, errorMessage: 'the name of a namespace' }),
  leaseDuration: Type.String({ errorMessage: 'a duration such as 15s' }),
  writesPerSecond: Type.Integer({ minimum: 1, maximum: 100_000, errorMessage: 'a whole number from 1 to 100000' }),
});

/** The whole file but for its connections, whose keys depend on their types. docs/configuration.md describes each key. */
export const SettingsSchema = section({
  server: section({
    address: Type.String({ errorMessage: 'an address such as 127.0.0.1:8080 or [::1]:8080' }),
    hooksAddress: Type.String({ errorMessage: 'an address such as 0.0.0.0:8081' }),
  }),
  auth: section({ tokensFile: FilePath, kubernetes: ClusterUseSchema }),
  kubevela: KubeVelaSchema,
  store: StoreSchema,
  retention: section({
    finished: Type.String({ errorMessage: 'a duration such as 7d' }),
    perStep: Type.Integer({ minimum: 1, errorMessage: 'a whole number from 1' }),
  }),
  log: section({ level: oneOf(logLevels) }),
  network: section({
    allow: Type.Array(Type.String({ errorMessage: 'a range of addresses such as 10.96.0.0/12' }), {
      maxItems: 1_000,
      errorMessage: 'a list of at most 1000 ranges of addresses',
    }),
  }),
  teamConnections: ClusterUseSchema,
  connections: Type.Array(Type.Unknown(), { errorMessage: 'a list of connections' }),
  connectionsFolder: Type.String({ minLength: 1, maxLength: 4096, errorMessage: 'the path of a folder' }),
});

const globs = Type.Array(
  Type.String({
    minLength: 1,
    maxLength: 1024,
    // What other matchers give a meaning is refused, so that nobody believes that it has one here.
    pattern: '^[^\\s\\[\\]{}!]+$',
    errorMessage: 'a pattern in which * and ? stand for any characters, without any of ! [ ] { } or white space',
  }),
  { maxItems: 1_000, errorMessage: 'a list of at most 1000 patterns' },
);

const namespaces = Type.Optional(globs);

const commonProperties = {
  name: Type.String({ pattern: labelPattern, errorMessage: 'a name of lower-case letters, digits and -' }),
  type: Type.String({ minLength: 1, errorMessage: 'the type of a provider' }),
  owner: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
  default: Type.Optional(Type.Boolean()),
};

const errorMessage = 'a connection, which is an object with name and type';

/** What each connection has, whatever its type. */
export const CommonConnectionSchema = Type.Object(
  { ...commonProperties, allow: Type.Optional(Type.Object({ namespaces })) },
  { errorMessage },
);

/** All keys of a connection of the type. */
export function connectionSchema(type: AnyConnectionType): TObject {
  const lists = Object.fromEntries(type.allow.map((list) => [list, Type.Optional(globs)]));
  const allow = Type.Optional(Type.Object({ namespaces, ...lists }, { additionalProperties: false }));
  return Type.Object(
    { ...commonProperties, allow, ...type.options.properties },
    { additionalProperties: false, errorMessage },
  );
}

/** The names of the keys that an object at this place of the schema may have; of all variants, where there are several. */
export function knownKeys(schema: TSchema, parts: readonly string[]): string[] {
  if (Array.isArray(schema.anyOf)) {
    return [...new Set(schema.anyOf.flatMap((variant: TSchema) => knownKeys(variant, parts)))];
  }
  const [part, ...rest] = parts;
  const properties: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  if (part === undefined) return Object.keys(properties);
  const next: TSchema | undefined = properties[part] ?? schema.items;
  return next === undefined ? [] : knownKeys(next, rest);
}
