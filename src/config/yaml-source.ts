import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { pointerParts, readablePath, toPointer } from './pointer.ts';

/** An anchor that is used more often is an attempt to fill the memory. */
const mostAliases = 100;

const mostFaults = 20;
const tooDeep = 'expected YAML of moderate depth, found deeper nesting';

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlMistake {
  readonly place: Place;
  /** As readablePath writes it; empty where it is about no value. */
  readonly path: string;
  readonly message: string;
}

/** A parsed YAML file that still knows where each value stood. */
export interface YamlSource {
  /** The file's name as people know it. */
  readonly name: string;
  /** undefined where the file is empty or broken. */
  readonly value: unknown;
  /** The text means nothing as YAML, so that there is nothing more to check. */
  readonly isBroken: boolean;
  readonly mistakes: readonly YamlMistake[];
  has(pointer: string): boolean;
  /** Where the value stands, or the nearest value around it. */
  placeOf(pointer: string): Place;
  /** Where the value's key stands, or the nearest key around it. */
  placeOfKey(pointer: string): Place;
}

/** `aftersync.yaml:3:5: server.address: …` */
export function describeMistake(name: string, { place, path, message }: YamlMistake): string {
  return [`${name}:${place.line}:${place.column}`, ...(path === '' ? [] : [path]), message].join(': ');
}

/** Never throws: what is wrong is in `mistakes`. */
export function parseYaml(name: string, text: string): YamlSource {
  const lines = new LineCounter();
  const placeAt = (node: { readonly range?: readonly [number, ...number[]] | null } | null | undefined): Place => {
    const { line, col } = lines.linePos(node?.range?.[0] ?? 0);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const broken = (mistakes: readonly YamlMistake[]): YamlSource => ({
    name,
    value: undefined,
    isBroken: true,
    mistakes,
    has: () => false,
    placeOf: () => placeAt(null),
    placeOfKey: () => placeAt(null),
  });
  const brokenAsAWhole = (message: string) => broken([{ place: placeAt(null), path: '', message }]);

  try {
    // Repeated keys are found below, where both places can be named.
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false,
    });
    const faults = [...document.errors, ...document.warnings];
    if (faults.length > 0) {
      const byLine = new Map<number, YamlMistake>();
      for (const fault of faults) {
        const place = placeAt({ range: fault.pos });
        // What comes later on a line mostly follows from what comes first.
        if (!byLine.has(place.line)) byLine.set(place.line, { place, path: '', message: faultInWords(fault) });
      }
      return broken([...byLine.values()].slice(0, mostFaults));
    }
    const danglingAliases = findDanglingAliases(document);
    if (danglingAliases.length > 0) {
      return broken(
        danglingAliases.map((alias) => ({
          place: placeAt(alias),
          path: '',
          message: `expected the name of an anchor above, found *${alias.source}`,
        })),
      );
    }
    return {
      name,
      value: document.toJS({ maxAliasCount: mostAliases }) ?? undefined,
      isBroken: false,
      mistakes: findRepeatedKeys(document.contents).map(({ parts, key, first }) => ({
        place: placeAt(key),
        path: readablePath(toPointer(parts)),
        message: `expected each key once, found it again; the first is at ${name}:${placeAt(first).line}:${placeAt(first).column}`,
      })),
      has: (pointer) => nodesTo(document, pointer).length > pointerParts(pointer).length,
      placeOf(pointer) {
        const last = nodesTo(document, pointer).at(-1);
        return placeAt(last?.value ?? last?.key);
      },
      placeOfKey(pointer) {
        const last = nodesTo(document, pointer).at(-1);
        return placeAt(last?.key ?? last?.value);
      },
    };
  } catch (error) {
    if (error instanceof RangeError) return brokenAsAWhole(tooDeep);
    if (error instanceof ReferenceError)
      return brokenAsAWhole(`expected at most ${mostAliases} uses of an anchor, found more`);
    throw error;
  }
}

function faultInWords({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS') return 'expected one YAML document, found another';
  // The parser ran out of stack, and took that for a fault of the text.
  if (message.includes('call stack')) return tooDeep;
  return `no YAML: ${message}`;
}

interface KeyedNode {
  readonly key: Node | null;
  readonly value: Node | null;
}

/** From the root down to the value, as far as the document goes. */
function nodesTo(document: Document.Parsed, pointer: string): KeyedNode[] {
  const found: KeyedNode[] = [{ key: null, value: document.contents }];
  for (const part of pointerParts(pointer)) {
    const around = found.at(-1)?.value;
    const child = childOf(isAlias(around) ? around.resolve(document) : around, part);
    if (child === undefined) break;
    found.push(child);
  }
  return found;
}

function childOf(node: unknown, part: string): KeyedNode | undefined {
  if (isMap<Node, Node | null>(node)) {
    // Of equal keys the last one counts.
    return node.items.findLast(({ key }) => keyText(key) === part);
  }
  const value = isSeq<Node>(node) ? node.items[Number(part)] : undefined;
  return value && { key: null, value };
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function findDanglingAliases(document: Document.Parsed): Alias[] {
  const found: Alias[] = [];
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) === undefined) found.push(alias);
    },
  });
  return found;
}

interface RepeatedKey {
  readonly parts: readonly string[];
  readonly key: Node;
  readonly first: Node;
}

/** YAML lets the last of equal keys win, but who wrote both meant something else. */
function findRepeatedKeys(node: unknown, parts: readonly string[] = []): RepeatedKey[] {
  if (isSeq(node)) return node.items.flatMap((item, index) => findRepeatedKeys(item, [...parts, String(index)]));
  if (!isMap<Node, unknown>(node)) return [];
  const firsts = new Map<string, Node>();
  return node.items.flatMap(({ key, value }) => {
    const below = [...parts, keyText(key)];
    const first = firsts.get(keyText(key));
    if (first === undefined) firsts.set(keyText(key), key);
    const repeated = first === undefined ? [] : [{ parts: below, key, first }];
    return [...repeated, ...findRepeatedKeys(value, below)];
  });
}
