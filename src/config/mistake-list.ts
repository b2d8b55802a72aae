import type { TSchema } from '@sinclair/typebox';
import { mistakesOf } from '../core/schema.ts';
import { nearest } from './nearest.ts';
import { pointerParts, readablePath } from './pointer.ts';
import { knownKeys } from './settings-schema.ts';
import { describeMistake, type Place, type YamlMistake, type YamlSource } from './yaml-source.ts';

/** What mistakesOf says of a key that the schema does not have. */
const unknownKeyMessage = 'is not a known key';

/** The whole file, or all that is in an `auth`. */
const mayBeCredential = /^$|\/auth(\/|$)/;

/** Collects all that is wrong with a configuration file, so that it can be said at once. */
export class MistakeList {
  readonly source: YamlSource;
  readonly #mistakes: YamlMistake[];

  constructor(source: YamlSource) {
    this.source = source;
    this.#mistakes = [...source.mistakes];
  }

  get count(): number {
    return this.#mistakes.length;
  }

  /** Says what is wrong with the value. */
  add(pointer: string, message: string): void {
    this.#add(this.source.placeOf(pointer), pointer, message);
  }

  /** Adds where the value does not fit; `pointer` is where it stands in the file. */
  check(schema: TSchema, value: unknown, pointer: string): void {
    for (const { path, message } of mistakesOf(schema, value)) {
      const around = pointerParts(path);
      const key = around.pop();
      const known = knownKeys(schema, around);
      if (key === undefined || known.includes(key) || message !== unknownKeyMessage) this.add(pointer + path, message);
      else this.#add(this.source.placeOfKey(pointer + path), pointer + path, `${message}${adviceFor(key, known)}`);
    }
  }

  /** `aftersync.yaml:3:11`, to name another place in a message. */
  placeText(pointer: string): string {
    const { line, column } = this.source.placeOf(pointer);
    return `${this.source.name}:${line}:${column}`;
  }

  #add(place: Place, pointer: string, message: string): void {
    // What is quoted gets into a log. It may be a URL with a password; and in `auth`, or where an object belongs, a text
    // tells nothing that helps, but may be a credential.
    const expected = mayBeCredential.test(pointer) ? 'expected .*' : 'expected an object';
    const shown = message
      .replaceAll(/(:[\\/]+|https?:)[^\s\\/?#@]*@/gi, '$1…@')
      .replace(new RegExp(`^(${expected}), found ".*"$`, 's'), '$1, found a text');
    this.#mistakes.push({ place, path: readablePath(pointer), message: shown });
  }

  /** One line for each mistake, in the order of the file. */
  lines(): string[] {
    const ordered = this.#mistakes.toSorted(({ place: a }, { place: b }) => a.line - b.line || a.column - b.column);
    return ordered.map((mistake) => describeMistake(this.source.name, mistake));
  }
}

function adviceFor(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `; did you mean ${near}?`;
  return known.length === 0 ? '' : `; known are ${known.join(', ')}`;
}
