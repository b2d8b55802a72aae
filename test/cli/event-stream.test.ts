import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents, type ServerSentEvent } from '../../src/cli/event-stream.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';

async function eventsIn(pieces: readonly Uint8Array[]): Promise<ServerSentEvent[]> {
  async function* source() {
    yield* pieces;
  }
  const events: ServerSentEvent[] = [];
  for await (const event of readEvents(source())) events.push(event);
  return events;
}

const text = [
  '\ufeff: connected\n\n',
  'id: 1\nevent: execution\ndata: {"a":"ä€😀"}\n\n',
  'data:no space\r\ndata:  two spaces\r\n\r\n',
  ': still here\r\r',
  'event: nothing\n\n',
  'data\ndata: x\n\n',
  'unknown: y\nevent: last\rdata: z\r\r',
  'data: cut off\n',
].join('');
const expected = [
  { event: 'execution', data: '{"a":"ä€😀"}' },
  { event: 'message', data: 'no space\n two spaces' },
  { event: 'message', data: '\nx' },
  { event: 'last', data: 'z' },
];

test('events are read as the specification says, and one that is cut off is dropped', async () => {
  assert.deepEqual(await eventsIn([Buffer.from(text)]), expected);
});

test('it makes no difference where the stream is cut into pieces', async () => {
  const seed = chooseSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const bytes = Buffer.from(text);
  for (let round = 0; round < 200; round++) {
    const pieces: Uint8Array[] = [];
    for (let start = 0; start < bytes.length; ) {
      const end = start + 1 + random.below(random.pick([1, 3, 40]));
      pieces.push(bytes.subarray(start, end));
      start = end;
    }
    assert.deepEqual(await eventsIn(pieces), expected, `seed ${seed}, round ${round}`);
  }
});

test('each piece counts as a sign of life, heartbeats too', async () => {
  let pieces = 0;
  async function* source() {
    yield Buffer.from(': still here\n\n');
    yield Buffer.from(': still here\n\n');
  }
  for await (const event of readEvents(source(), () => pieces++)) assert.fail(`an event: ${event.data}`);
  assert.equal(pieces, 2);
});
