import { type Static, Type } from '@sinclair/typebox';
import { limits } from '../../core/limits.ts';
import type { InputMistake } from '../../core/problem.ts';
import type { PurgeWork } from '../../providers/cdn/cdn-client.ts';
import { type PurgeKind, purgeKinds } from '../../providers/cdn/provider.ts';
import { InvalidItem, maxItemLength, normaliseItem } from '../../providers/cdn/purge-item.ts';

const maxItemsPerKind = 10_000;
const mostMistakes = 20;

function itemsSchema(description: string, examples: string[]) {
  const item = Type.String({ minLength: 1, maxLength: maxItemLength });
  return Type.Optional(Type.Array(item, { maxItems: maxItemsPerKind, description, examples: [examples] }));
}

export const ParamsSchema = Type.Object(
  {
    connection: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: 'A CDN connection. Default: the only one, or the default one.',
      }),
    ),
    urls: itemsSchema('Exact addresses, with their query.', ['https://www.example.com/a?b=c']),
    tags: itemsSchema('What the origin marked with a cache tag or surrogate key.', ['product-17']),
    prefixes: itemsSchema('All that begins with this host and path, on http and https.', ['www.example.com/img/']),
    hosts: itemsSchema('All of a host name.', ['www.example.com']),
    everything: Type.Optional(
      Type.Boolean({ description: 'All that the connection reaches; alone, without other kinds.' }),
    ),
    soft: Type.Optional(
      Type.Boolean({ default: false, description: 'Make stale instead of dropping, where the provider can.' }),
    ),
    waitFor: Type.Optional(
      Type.Union([Type.Literal('accepted'), Type.Literal('effective')], {
        description: 'When the step is done. Default: effective where the provider can tell, else accepted.',
      }),
    ),
  },
  { additionalProperties: false },
);
export type Params = Static<typeof ParamsSchema>;

export const OutputsSchema = Type.Object({
  purged: Type.Object(Object.fromEntries(purgeKinds.map((kind) => [kind, Type.Integer()])), {
    description: 'How many items of each kind were purged.',
  }),
  failed: Type.Array(Type.Object({ kind: Type.String(), item: Type.String(), message: Type.String() }), {
    maxItems: limits.failedItems,
    description: 'The first items that the provider refused.',
  }),
  failedCount: Type.Integer({ description: 'How many items the provider refused.' }),
  provider: Type.String({ description: "The connection's type." }),
  connection: Type.String({ description: 'The connection as the step names it; empty for the default.' }),
});
export type Outputs = Static<typeof OutputsSchema>;

/** What the schema cannot say; each mistake with its place. */
export function mistakesIn(params: Params): InputMistake[] {
  const mistakes: InputMistake[] = [];
  for (const kind of purgeKinds) {
    for (const [index, item] of itemsOf(params, kind).entries()) {
      const mistake = mistakeOf(kind, item);
      if (mistake !== undefined) mistakes.push({ path: `/${kind}/${index}`, message: mistake });
      if (mistakes.length === mostMistakes) return mistakes;
    }
  }
  const given = purgeKinds.filter((kind) => itemsOf(params, kind).length > 0);
  if (given.length === 0) mistakes.push({ path: '', message: `expected something in one of ${purgeKinds.join(', ')}` });
  if (params.everything === true && given.length > 1) {
    mistakes.push({ path: '/everything', message: 'holds all other kinds: leave it or them out' });
  }
  return mistakes;
}

/** What to purge, in the form that is sent, each item once. */
export function workOf(params: Params): PurgeWork[] {
  return purgeKinds.flatMap((kind) => {
    const items = [...new Set(itemsOf(params, kind).map((item) => normaliseItem(kind, item)))];
    return items.length === 0 ? [] : [{ kind, items }];
  });
}

/** How many items there are in all. */
export function totalOf(work: readonly PurgeWork[]): number {
  return work.reduce((sum, { items }) => sum + items.length, 0);
}

export function isSoft(params: Params): boolean {
  return params.soft === true;
}

/** As given: neither normalised nor without doubles. */
export function itemsOf(params: Params, kind: PurgeKind): readonly string[] {
  if (kind === 'everything') return params.everything === true ? ['everything'] : [];
  return params[kind] ?? [];
}

function mistakeOf(kind: PurgeKind, item: string): string | undefined {
  try {
    normaliseItem(kind, item);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidItem) return error.message;
    throw error;
  }
}
