import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { watchEvents, withSilenceLimit } from '../../../src/providers/kubernetes/watch-stream.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { chooseSeed, seededRandom } from '../../support/seeded-random.ts';

async function* chunks(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}

async function read(parts: readonly Buffer[]) {
  const read: unknown[] = [];
  for await (const event of watchEvents(chunks(parts))) read.push(event);
  return read;
}

const events = [
  { type: 'ADDED', object: { metadata: { name: 'ä' } } },
  { type: 'BOOKMARK', object: { metadata: { resourceVersion: '7' } } },
  { type: 'DELETED', object: { text: 'a\nb' } },
];
const stream = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));

describe('the events of a watch', () => {
  it('are the same wherever the network cuts them', async () => {
    const seed = chooseSeed();
    const random = seededRandom(seed);
    for (let round = 0; round < 200; round += 1) {
      const parts: Buffer[] = [];
      for (let start = 0; start < stream.length; ) {
        const end = start + 1 + random.below(40);
        parts.push(stream.subarray(start, end));
        start = end;
      }
      assert.deepEqual(await read(parts), events, `seed ${seed}, round ${round}`);
    }
  });

  it('do not include what the end cuts off', async () => {
    assert.deepEqual(await read([stream.subarray(0, stream.length - 3)]), events.slice(0, 2));
  });

  it('are nothing but events', async () => {
    await assert.rejects(read([Buffer.from('<html>\n')]), SyntaxError);
    await assert.rejects(read([Buffer.from('{"kind":"Status"}\n')]), /no watch event/);
  });
});

it('silence is told of once it has lasted as long as given since the last chunk', async () => {
  const clock = new ManualClock();
  const { promise: second, resolve: sendSecond } = Promise.withResolvers<void>();
  const { promise: end, resolve: finish } = Promise.withResolvers<void>();
  let silences = 0;
  async function* slow(): AsyncGenerator<Buffer> {
    yield Buffer.from('a');
    await second;
    yield Buffer.from('b');
    await end;
  }
  const onSilence = () => {
    silences += 1;
  };
  const watched = withSilenceLimit(slow(), { clock, limitMs: 90_000, onSilence });
  await watched.next();
  clock.advance(60_000);
  sendSecond();
  await watched.next();
  clock.advance(89_999);
  assert.equal(silences, 0);
  clock.advance(1);
  assert.equal(silences, 1);
  finish();
  assert.equal((await watched.next()).done, true);
  clock.advance(1_000_000);
  assert.equal(silences, 1);
});
