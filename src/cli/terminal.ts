import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';

/** A stream that may be a terminal, as process.stdout is. */
export interface OutputStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Where a command reads and writes. Results go to `stdout`; what is only for the person who watches goes to `stderr`. */
export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export type Colour = 'green' | 'red' | 'yellow' | 'cyan' | 'dim' | 'bold';

/** The text in a colour, where the stream is a terminal and NO_COLOR is not set. */
export function coloured(stream: OutputStream, colour: Colour, text: string): string {
  return styleText(colour, text, { stream });
}

/**
 * The text on one line and without what a terminal would act on: messages and outputs come from workflows and providers,
 * which must not be able to move the cursor, change a title or hide a part of the line.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim();
}

/** Cut to the width of the terminal, so that it stays one line; uncut where there is none. */
export function fitted(stream: OutputStream, text: string): string {
  const { columns } = stream;
  // A terminal that does not know its width says 0.
  if (!stream.isTTY || !columns || text.length <= columns) return text;
  return `${text.slice(0, columns - 1)}…`;
}
