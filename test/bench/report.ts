import { styleText } from 'node:util';
import { type Bench, boundInWords, type Result } from './bench.ts';

/** The results as a table; green and red where the stream is a terminal. */
export function toTable(results: readonly Result[], stream: NodeJS.WriteStream): string {
  const header = ['bench', 'value', 'reference', 'ratio', 'bound', ''];
  const rows = results.map(({ name, value, unit, reference, ratio, bound, verdict }) => [
    name,
    `${inWords(value)} ${unit}`,
    inWords(reference),
    inWords(ratio),
    bound,
    styleText(verdict === 'ok' ? 'green' : 'red', verdict, { stream }),
  ]);
  return aligned([header, ...rows]);
}

export function toList(benches: Readonly<Record<string, Bench>>): string {
  return aligned(Object.entries(benches).map(([name, bench]) => [name, boundInWords(bench), bench.title]));
}

function inWords(value: number | null): string {
  return value === null ? '-' : value.toLocaleString('en', { maximumSignificantDigits: 4 });
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** What goes on, on one line that each next one replaces; nothing where nobody watches. */
export function showProgress(stream: NodeJS.WriteStream, text: string): void {
  if (stream.isTTY) stream.write(`\r\x1b[K${text}`);
}
