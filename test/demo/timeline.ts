import { type Colour, coloured, fitted, type OutputStream } from '../../src/cli/terminal.ts';

const redrawMs = 100;
const sourceColumn = 10;

/**
 * What happens, a line each with the time since the start. On a terminal a last line, drawn anew ten times a second, shows
 * what is being waited for; in a pipe it is left out, and so are colours.
 */
export class Timeline {
  readonly #stream: OutputStream;
  readonly #startedAt = performance.now();
  #redraw: NodeJS.Timeout | undefined;
  #waitingFor = '';

  constructor(stream: OutputStream) {
    this.#stream = stream;
    if (stream.isTTY) this.#redraw = setInterval(() => this.#drawLive(), redrawMs).unref();
  }

  get stream(): OutputStream {
    return this.#stream;
  }

  heading(text: string): void {
    this.#line(`\n${coloured(this.#stream, 'bold', text)}`);
  }

  /** `who` did or says something. The text may have colours of its own. */
  event(who: string, text: string, colour?: Colour): void {
    const time = coloured(this.#stream, 'dim', this.#elapsed().padStart(8));
    const said = colour === undefined ? text : coloured(this.#stream, colour, text);
    this.#line(`${time}  ${coloured(this.#stream, 'cyan', who.padEnd(sourceColumn))}  ${said}`);
  }

  /** A line without a time. */
  plain(text: string): void {
    this.#line(text);
  }

  /** Shown on a terminal while the work goes on. */
  async waiting<T>(forWhat: string, work: Promise<T>): Promise<T> {
    this.#waitingFor = forWhat;
    try {
      return await work;
    } finally {
      this.#waitingFor = '';
      this.#clearLive();
    }
  }

  end(): void {
    clearInterval(this.#redraw);
    this.#clearLive();
    this.#redraw = undefined;
  }

  #elapsed(): string {
    return `+${((performance.now() - this.#startedAt) / 1_000).toFixed(2)}s`;
  }

  #line(text: string): void {
    this.#clearLive();
    this.#stream.write(`${text}\n`);
    this.#drawLive();
  }

  #drawLive(): void {
    if (this.#redraw === undefined || this.#waitingFor === '') return;
    const text = fitted(this.#stream, `${this.#elapsed().padStart(8)}  … ${this.#waitingFor}`);
    this.#stream.write(`\r\u001b[K${coloured(this.#stream, 'dim', text)}`);
  }

  #clearLive(): void {
    if (this.#redraw !== undefined) this.#stream.write('\r\u001b[K');
  }
}
