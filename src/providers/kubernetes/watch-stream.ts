import { type Static, Type } from '@sinclair/typebox';
import type { Json } from '../../core/json.ts';
import { fits } from '../../core/schema.ts';
import type { Clock } from '../../core/time.ts';

/** Above what an object of 3 MB can become as JSON text. */
const longestLine = 64 * 1024 * 1024;
const newline = 0x0a;

const EventSchema = Type.Object({ type: Type.String(), object: Type.Unknown() });

export type WatchEvent = Omit<Static<typeof EventSchema>, 'object'> & { readonly object: Json };

/** The events of a watch as they come. Throws on anything else; a line that is cut off by the end is none. */
export async function* watchEvents(body: AsyncIterable<Buffer>): AsyncGenerator<WatchEvent> {
  for await (const line of lines(body)) {
    const event: unknown = JSON.parse(line);
    if (!fits(EventSchema, event)) throw new Error('the cluster sent something that is no watch event');
    yield event as WatchEvent;
  }
}

async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      bytes = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > longestLine) throw new Error(`a watch event is over ${longestLine} bytes`);
  }
}

/** Passes the chunks on, and calls back once none has come for the time given. */
export async function* withSilenceLimit(
  body: AsyncIterable<Buffer>,
  { clock, limitMs, onSilence }: { readonly clock: Clock; readonly limitMs: number; readonly onSilence: () => void },
): AsyncGenerator<Buffer> {
  let lastAt = clock.now();
  // One timer that looks back, because a busy watch would set and drop thousands.
  const look = () => {
    const silentUntil = lastAt + limitMs;
    if (clock.now() >= silentUntil) onSilence();
    else cancel = clock.at(silentUntil, look);
  };
  let cancel = clock.at(lastAt + limitMs, look);
  try {
    for await (const chunk of body) {
      lastAt = clock.now();
      yield chunk;
    }
  } finally {
    cancel();
  }
}
