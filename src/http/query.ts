import { Problem } from '../core/problem.ts';

/**
 * The query parameters by name, each as often as it was given. A name that the call does not know is refused: a filter
 * with a typing error would otherwise answer everything.
 */
export class Query {
  readonly #parameters: URLSearchParams;

  constructor(url: string, knownNames: readonly string[]) {
    const start = url.indexOf('?');
    this.#parameters = new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
    for (const name of this.#parameters.keys()) {
      if (!knownNames.includes(name)) throw new Problem('invalid-query', unknownName(name, knownNames));
    }
  }

  /** The value of a parameter that may be given once. */
  one(name: string): string | undefined {
    const values = this.#parameters.getAll(name);
    if (values.length > 1) throw new Problem('invalid-query', `${name} is given ${values.length} times`);
    return values[0];
  }

  /** The values of a parameter that may be given many times, or with commas. Absent: none. */
  many(name: string): string[] {
    return this.#parameters.getAll(name).flatMap((value) => value.split(','));
  }
}

function unknownName(name: string, knownNames: readonly string[]): string {
  const known = knownNames.length === 0 ? 'it takes none' : `it takes ${knownNames.join(', ')}`;
  return `this call has no query parameter ${JSON.stringify(name.slice(0, 60))}; ${known}`;
}
