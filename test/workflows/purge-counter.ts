import type { Listening } from '../support/listen.ts';
import { type RawAnswer, serveRawHttp } from '../support/raw-http.ts';

/** Plays a Varnish that holds nothing and counts what it is to purge by tag. */
export class PurgeCounter {
  /** Tags that it takes for wrong from now on. */
  readonly refused = new Set<string>();
  readonly #asked: string[] = [];
  #server: Listening | undefined;

  static async start(): Promise<PurgeCounter> {
    const counter = new PurgeCounter();
    counter.#server = await serveRawHttp(async ({ headers }) => counter.#answer(headers['xkey-purge'] ?? ''));
    return counter;
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  /** How many calls named it, refused ones too. */
  callsFor(tag: string): number {
    return this.#asked.filter((asked) => asked === tag).length;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #answer(header: string): RawAnswer {
    const tags = header.split(' ');
    this.#asked.push(...tags);
    const [status, reason] = tags.some((tag) => this.refused.has(tag)) ? [400, 'Refused'] : [200, 'Purged'];
    return { status, reason, headers: { 'x-purge': reason } };
  }
}
