import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import { usageError } from './exit.ts';

type Mutable = { [key: string]: Json | undefined };

/**
 * The parameters of a step: those of the file, and above them each `key=value` in its order. A dot goes one level down
 * (`inputs.env=prod`; `\.` is a dot), `[]` adds to a list (`urls[]=…`), all else replaces. Throws CommandError.
 */
export async function mergeWithValues(base: JsonObject, pairs: readonly string[]): Promise<JsonObject> {
  const merged = structuredClone(base) as Mutable;
  const given = new Set<string>();
  for (const pair of pairs) {
    const { path, isItem, text } = splitPair(pair);
    const value = await parseValue(text, pair);
    const around = objectAt(merged, path.slice(0, -1), pair);
    const key = path.at(-1) ?? '';
    if (isItem) around[key] = [...listAt(around[key], pair), value];
    else {
      const name = JSON.stringify(path);
      if (given.has(name)) {
        throw usageError(
          `--with ${path.join('.')} is given twice`,
          `for a list, write --with '${path.join('.')}[]=…' for each item`,
        );
      }
      given.add(name);
      set(around, key, value);
    }
  }
  return merged;
}

function splitPair(pair: string): {
  readonly path: readonly string[];
  readonly isItem: boolean;
  readonly text: string;
} {
  const equals = pair.indexOf('=');
  if (equals < 1) throw usageError(`--with expects key=value, found ${JSON.stringify(pair)}`);
  const isItem = pair.slice(0, equals).endsWith('[]');
  const key = pair.slice(0, isItem ? equals - 2 : equals);
  const path = key.split(/(?<!\\)\./).map((part) => part.replaceAll('\\.', '.'));
  if (path.includes('')) throw usageError(`--with expects a key before the =, found ${JSON.stringify(pair)}`);
  return { path, isItem, text: pair.slice(equals + 1) };
}

/** The object at the path, which is made where nothing stands yet. */
function objectAt(root: Mutable, path: readonly string[], pair: string): Mutable {
  let at = root;
  for (const [depth, key] of path.entries()) {
    const found = Object.hasOwn(at, key) ? at[key] : undefined;
    if (found !== undefined && !isJsonObject(found)) {
      throw usageError(
        `--with ${pair}: ${path.slice(0, depth + 1).join('.')} holds a value, which has no keys below it`,
      );
    }
    const next: Mutable = found === undefined ? {} : { ...found };
    set(at, key, next);
    at = next;
  }
  return at;
}

function listAt(found: Json | undefined, pair: string): readonly Json[] {
  if (found === undefined) return [];
  if (!Array.isArray(found))
    throw usageError(`--with ${pair}: what stands there is no list, so nothing can be added to it`);
  return found;
}

/** Also right for a key such as `__proto__`. */
function set(object: Mutable, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

const plainNumber = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/**
 * JSON, or YAML's flow form, where it begins like it (`[…]`, `{…}`, quotes); `true`, `false`, `null` and numbers; all
 * else is text as it stands, so that `Deploy: done` and `*.png` need no quoting against YAML.
 */
async function parseValue(text: string, pair: string): Promise<Json> {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  // What a number cannot hold exactly, such as a long id, stays text.
  if (plainNumber.test(text) && (!/^-?[0-9]+$/.test(text) || Number.isSafeInteger(Number(text)))) return Number(text);
  if (!/^\s*[[{"']/.test(text)) return text;
  const { parseYaml } = await import('../config/yaml-source.ts');
  const { value, mistakes } = parseYaml('', text);
  const [mistake] = mistakes;
  if (mistake !== undefined) {
    throw usageError(
      `--with ${pair}: column ${mistake.place.column} of the value: ${mistake.message}`,
      'quote the value in the shell, and in it text that begins with a bracket or a quote: \'key="[text"\'',
    );
  }
  return value as Json;
}
