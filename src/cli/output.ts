import type { OutputStream } from './terminal.ts';

export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** Writes a result: as it came for programs, or as the lines that `toLines` makes of it for people. */
export async function writeResult<T>(
  stdout: OutputStream,
  format: OutputFormat,
  value: T,
  toLines: (value: T, stdout: OutputStream) => readonly string[],
): Promise<void> {
  stdout.write(await formatted());

  async function formatted(): Promise<string> {
    switch (format) {
      case 'json':
        return `${JSON.stringify(value, null, 2)}\n`;
      case 'yaml':
        return await toYaml(value);
      case 'table':
        return toLines(value, stdout)
          .map((line) => `${line}\n`)
          .join('');
    }
  }
}

/** Writes one of many results as they come: a line of JSON, a YAML document, or its lines. */
export async function writeItem<T>(
  stdout: OutputStream,
  format: OutputFormat,
  value: T,
  toLines: (value: T, stdout: OutputStream) => readonly string[],
): Promise<void> {
  if (format === 'json') stdout.write(`${JSON.stringify(value)}\n`);
  else if (format === 'yaml') stdout.write(`---\n${await toYaml(value)}`);
  else await writeResult(stdout, format, value, toLines);
}

/** The library is loaded only where it is needed: it would double the time that most commands take to start. */
async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0 });
}
