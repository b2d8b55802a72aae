import { readFileSync } from 'node:fs';

/** The text of a file in docs/examples: what the documentation shows is what the tests run. */
export function readExample(name: string): string {
  return readFileSync(new URL(`../../docs/examples/${name}`, import.meta.url), 'utf8');
}

/** Throws unless `from` stands in the text exactly once, so that a changed example cannot silently escape its change. */
export function replaceOnce(text: string, from: string, to: string): string {
  const count = text.split(from).length - 1;
  if (count !== 1) throw new Error(`expected ${JSON.stringify(from)} once in the example, found it ${count} times`);
  return text.replace(from, () => to);
}
