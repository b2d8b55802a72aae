import type { Json } from '../../core/json.ts';

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

/** Either a path from the item that is looked at, or a value that is written out. */
export type Operand = { readonly path: readonly Segment[] } | { readonly value: Json };

export type Segment =
  | { readonly kind: 'fields'; readonly names: readonly string[] }
  | { readonly kind: 'indexes'; readonly indexes: readonly number[] }
  | { readonly kind: 'slice'; readonly start: number; readonly end: number | undefined; readonly step: number }
  | { readonly kind: 'children' }
  | { readonly kind: 'descendants' }
  | { readonly kind: 'filter'; readonly left: Operand; readonly test?: Comparison; readonly right?: Operand };

/** The text is no JSONPath that we know. The message says where and what was expected. */
export class JsonPathError extends Error {
  constructor(text: string, position: number, expected: string) {
    super(`${expected} at character ${position + 1} of ${JSON.stringify(text)}`);
    this.name = 'JsonPathError';
  }
}

const longestPath = 1_024;
const comparisons: readonly Comparison[] = ['==', '!=', '<=', '>=', '<', '>'];
/** What ends a plain name; each can stand in it behind a backslash. */
const nameEnd = /[.[\]{}()?*,:|&=!<>\s'"$@]/;

/**
 * kubectl's JSONPath, one path of it: `{.a.b}`, `.a.b` and `a.b` are the same, `\.` stands for a dot in a name. Filters
 * compare or ask for existence; there are no scripts, no regular expressions and no text around the path.
 * Source: https://kubernetes.io/docs/reference/kubectl/jsonpath/, and client-go's util/jsonpath/parser.go.
 */
export function parseJsonPath(text: string): readonly Segment[] {
  if (text.length > longestPath) throw new JsonPathError(`${text.slice(0, 40)}…`, longestPath, 'expected an end');
  return new Parser(text).whole();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): readonly Segment[] {
    this.#space();
    const braced = this.#take('{');
    this.#space();
    const segments = this.#take('$') || this.#take('@') ? this.#segments() : this.#relaxed();
    this.#space();
    if (braced) this.#require('}');
    this.#space();
    if (this.#at < this.#text.length) {
      throw this.#expected(braced ? 'expected the end (one path, without text around it)' : 'expected a . or [');
    }
    if (this.#text.trim() === '') throw this.#expected('expected a path');
    return segments;
  }

  /** The first name may stand without its dot. */
  #relaxed(): Segment[] {
    const next = this.#peek();
    const first = next === '' || next === '.' || next === '[' || next === '}' ? [] : [this.#field()];
    return [...first, ...this.#segments()];
  }

  #segments(): Segment[] {
    const segments: Segment[] = [];
    for (;;) {
      if (this.#take('..'))
        segments.push({ kind: 'descendants' }, this.#peek() === '[' ? this.#bracket() : this.#field());
      else if (this.#take('.')) {
        if (this.#peek() === '[') segments.push(this.#bracket());
        // A dot alone is the whole.
        else if (segments.length > 0 || !this.#atEndOfPath()) segments.push(this.#field());
      } else if (this.#peek() === '[') segments.push(this.#bracket());
      else return segments;
    }
  }

  #field(): Segment {
    if (this.#take('*')) return { kind: 'children' };
    let name = '';
    for (let char = this.#peek(); char !== '' && !nameEnd.test(char); char = this.#peek()) {
      if (char === '\\') this.#at += 1;
      name += this.#peek();
      this.#at += 1;
    }
    if (name === '') throw this.#expected('expected the name of a field');
    return { kind: 'fields', names: [name] };
  }

  #bracket(): Segment {
    this.#require('[');
    this.#space();
    const segment = this.#take('*') ? ({ kind: 'children' } as const) : this.#selection();
    this.#space();
    this.#require(']');
    return segment;
  }

  #selection(): Segment {
    if (this.#take('?')) return this.#filter();
    const next = this.#peek();
    if (next === "'" || next === '"') return { kind: 'fields', names: this.#list(() => this.#quoted()) };
    const first = this.#integer();
    this.#space();
    if (this.#peek() === ':') return this.#slice(first);
    if (first === undefined) throw this.#expected('expected an index, a slice, a quoted name, * or ?(…)');
    const more = this.#take(',') ? this.#list(() => this.#requireInteger()) : [];
    return { kind: 'indexes', indexes: [first, ...more] };
  }

  #slice(start = 0): Segment {
    this.#require(':');
    const end = this.#integer();
    const step = this.#take(':') ? (this.#integer() ?? 1) : 1;
    if (step < 1) throw this.#expected('expected a step of at least 1 before this');
    return { kind: 'slice', start, end, step };
  }

  #filter(): Segment {
    this.#require('(');
    const left = this.#operand();
    this.#space();
    const test = comparisons.find((comparison) => this.#take(comparison));
    if (test === undefined) {
      this.#require(')', 'expected one of == != < <= > >= or )');
      return { kind: 'filter', left };
    }
    const right = this.#operand();
    this.#space();
    this.#require(')');
    return { kind: 'filter', left, test, right };
  }

  #operand(): Operand {
    this.#space();
    const next = this.#peek();
    if (this.#take('@')) return { path: this.#segments() };
    if (next === "'" || next === '"') return { value: this.#quoted() };
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const) {
      if (this.#take(word)) return { value };
    }
    const number = /^-?\d+(\.\d+)?/.exec(this.#text.slice(this.#at))?.[0];
    if (number === undefined) throw this.#expected('expected @, a quoted text, a number, true, false or null');
    this.#at += number.length;
    return { value: Number(number) };
  }

  #quoted(): string {
    const quote = this.#peek();
    if (quote !== "'" && quote !== '"') throw this.#expected('expected a quoted name');
    this.#at += 1;
    let text = '';
    for (let char = this.#peek(); char !== quote; char = this.#peek()) {
      if (char === '\\') this.#at += 1;
      if (this.#peek() === '') throw this.#expected(`expected ${quote}`);
      text += this.#peek();
      this.#at += 1;
    }
    this.#at += 1;
    return text;
  }

  /** One or more, with commas between them. */
  #list<T>(item: () => T): T[] {
    const items: T[] = [];
    do {
      this.#space();
      items.push(item());
      this.#space();
    } while (this.#take(','));
    return items;
  }

  #requireInteger(): number {
    const integer = this.#integer();
    if (integer === undefined) throw this.#expected('expected an index');
    return integer;
  }

  #integer(): number | undefined {
    const digits = /^-?\d{1,9}/.exec(this.#text.slice(this.#at, this.#at + 10))?.[0];
    this.#at += digits?.length ?? 0;
    return digits === undefined ? undefined : Number(digits);
  }

  #atEndOfPath(): boolean {
    return /^(\s*$|[})\s=!<>])/.test(this.#text.slice(this.#at));
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #require(token: string, expected = `expected ${token}`): void {
    if (!this.#take(token)) throw this.#expected(expected);
  }

  #space(): void {
    while (/\s/.test(this.#peek())) this.#at += 1;
  }

  #expected(expected: string): JsonPathError {
    return new JsonPathError(this.#text, this.#at, expected);
  }
}
