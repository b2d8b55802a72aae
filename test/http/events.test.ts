import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { limits } from '../../src/core/limits.ts';
import { eventually } from '../support/eventually.ts';
import { codeOf, type ServedApi, serveApi, storeWith, storeWithGap, success } from './served-api.ts';

/** Opens a stream; `next` gives one event or comment at a time as its lines, or undefined at the end. */
async function openStream(api: ServedApi, path: string, signal?: AbortSignal) {
  const response = await api.pool.request({ method: 'GET', path, ...(signal && { signal }) });
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['content-type'], 'text/event-stream');
  const chunks = response.body.setEncoding('utf8')[Symbol.asyncIterator]();
  let buffered = '';
  return {
    async next(): Promise<string | undefined> {
      for (;;) {
        const end = buffered.indexOf('\n\n');
        if (end >= 0) {
          const event = buffered.slice(0, end);
          buffered = buffered.slice(end + 2);
          return event;
        }
        const chunk = await chunks.next();
        if (chunk.done) return undefined;
        buffered += chunk.value;
      }
    },
    close: () => response.body.destroy(),
  };
}

function eventOf(text: string | undefined) {
  const match = /^id: (?<version>\d+)\nevent: execution\ndata: (?<data>.*)$/.exec(text ?? '');
  assert.ok(match?.groups, `not an event: ${text}`);
  return { version: Number(match.groups.version), answer: JSON.parse(match.groups.data ?? '') };
}

const openStreams = (api: ServedApi) => api.metric('aftersync_http_event_streams');

async function untilOpen(api: ServedApi, count: number): Promise<void> {
  const ask = () => openStreams(api);
  await eventually(ask, (open) => open === count);
}

test('the stream of an execution begins with its record, tells each change, and ends with the final state', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  await api.goOn('one', { kind: 'waiting', message: 'half way' });
  const record = await api.call('GET', '/v1/executions/one');
  const stream = await openStream(api, '/v1/executions/one/events');
  const first = eventOf(await stream.next());
  assert.deepEqual(first.answer, record.json);
  await api.goOn('one', success);
  const messages: string[] = [];
  let version = first.version;
  for (let text = await stream.next(); text !== undefined; text = await stream.next()) {
    const event = eventOf(text);
    assert.ok(event.version > version);
    version = event.version;
    messages.push(`${event.answer.state}: ${event.answer.message}`);
  }
  assert.equal(messages.at(-1), 'succeeded: all done');
});

test('the stream of what has ended holds its record alone; that of nothing is not found', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  await api.goOn('one', success);
  const stream = await openStream(api, '/v1/executions/one/events');
  assert.equal(eventOf(await stream.next()).answer.state, 'succeeded');
  assert.equal(await stream.next(), undefined);
  assert.equal(codeOf(await api.call('GET', '/v1/executions/none/events')), 'not-found');
  assert.equal(await openStreams(api), 0);
});

test('a change between the subscription and the read is told once', async (t) => {
  const api = await serveApi(({ store }) => ({ store: storeWithGap(store, () => api.goOn('one', success)) }));
  t.after(api.close);
  await api.put('one');
  await api.untilWaiting('one');
  const stream = await openStream(api, '/v1/executions/one/events');
  assert.equal(eventOf(await stream.next()).answer.state, 'succeeded');
  assert.equal(await stream.next(), undefined);
});

test('what is deleted between the subscription and the read is not found; what is deleted later ends its stream', async (t) => {
  const deleted = async (id: string): Promise<void> => {
    const key = { namespace: 'default', id };
    const { version } = (await api.store.get(key)) ?? assert.fail();
    await api.store.delete(key, version);
  };
  let gap = () => deleted('one');
  const api = await serveApi(({ store }) => ({ store: storeWithGap(store, () => gap()) }));
  t.after(api.close);
  await api.put('one');
  await api.untilWaiting('one');
  assert.equal(codeOf(await api.call('GET', '/v1/executions/one/events')), 'not-found');
  assert.equal(await openStreams(api), 0);

  gap = async () => {};
  await api.put('two');
  await api.untilWaiting('two');
  const stream = await openStream(api, '/v1/executions/two/events');
  eventOf(await stream.next());
  await deleted('two');
  let last: string | undefined;
  for (let next = await stream.next(); next !== undefined; next = await stream.next()) last = next;
  assert.notEqual(last, ': still here');
  assert.equal(await openStreams(api), 0);
});

test('the stream of all tells changes from now on, narrowed by namespace, step and state', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('before');
  const own = await openStream(api, '/v1/events');
  const all = await openStream(api, '/v1/events?namespace=*&step=toy&state=succeeded,failed&state=cancelled');
  assert.equal(await own.next(), ': connected');
  assert.equal(await all.next(), ': connected');
  await api.call('PUT', '/v1/executions/elsewhere?namespace=other', { body: { step: 'toy', with: {} } });
  await api.call('PUT', '/v1/executions/planned', { body: { step: 'planned', with: { tags: ['a'] } } });
  await api.ended('planned');
  await api.put('one');
  await api.goOn('one', success);

  const end = eventOf(await all.next());
  assert.equal(end.answer.id, 'one');
  assert.equal(end.answer.state, 'succeeded');
  const seen = new Set<string>();
  for (let event = eventOf(await own.next()); event.answer.id !== 'one'; event = eventOf(await own.next())) {
    assert.equal(event.answer.namespace, 'default');
    seen.add(event.answer.id);
  }
  assert.ok(seen.has('planned'));
  own.close();
  all.close();
});

test('a quiet stream has a heartbeat every 15 seconds', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  const stream = await openStream(api, '/v1/events');
  assert.equal(await stream.next(), ': connected');
  for (let beat = 0; beat < 3; beat++) {
    api.clock.advance(limits.heartbeatMs);
    assert.equal(await stream.next(), ': still here');
  }
  stream.close();
});

test('a reader that does not keep up is cut off, and holds up nobody', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  const socket = connect(Number(new URL(api.server.url).port), '127.0.0.1');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  socket.write('GET /v1/executions/one/events HTTP/1.1\r\nHost: a\r\n\r\n');
  // It reads nothing: the kernel's buffers fill first, then ours.
  await untilOpen(api, 1);
  for (let i = 0; i < 400 && (await openStreams(api)) === 1; i++) {
    await api.goOn('one', { kind: 'waiting', message: `${i}`, outputs: { filler: 'x'.repeat(60_000) } });
  }
  assert.equal(await openStreams(api), 0);
  await api.goOn('one', success);
  socket.resume();
  await closed;
});

test('above the bound a stream is refused until another ends', async (t) => {
  const api = await serveApi(() => ({ bounds: { eventStreams: 1 } }));
  t.after(api.close);
  await api.put('one');
  const stream = await openStream(api, '/v1/events');
  for (const path of ['/v1/events', '/v1/executions/one/events']) {
    const refused = await api.call('GET', path);
    assert.equal(refused.status, 429);
    assert.equal(codeOf(refused), 'too-many-streams');
    assert.equal(refused.headers['retry-after'], '5');
  }
  stream.close();
  await untilOpen(api, 0);
  (await openStream(api, '/v1/events')).close();
});

test('a server that stops ends its streams as they should end', async (t) => {
  const api = await serveApi();
  t.after(api.close);
  await api.put('one');
  await api.untilWaiting('one');
  const streams = [await openStream(api, '/v1/events'), await openStream(api, '/v1/executions/one/events')];
  for (const stream of streams) await stream.next();
  await api.server.close();
  for (const stream of streams) assert.equal(await stream.next(), undefined);
});

test('a stream that breaks after its begin is closed, and the server goes on', async (t) => {
  const api = await serveApi(({ store }) => ({
    store: storeWith(store, {
      async get() {
        await api.goOn('one', { kind: 'waiting', message: 'half way' });
        throw new Error('disk broken');
      },
    }),
  }));
  t.after(api.close);
  await api.put('one');
  await api.untilWaiting('one');
  const stream = await openStream(api, '/v1/executions/one/events');
  assert.equal(eventOf(await stream.next()).answer.message, 'half way');
  await assert.rejects(async () => {
    while ((await stream.next()) !== undefined);
  });
  assert.ok(api.logLines.some((line) => line.includes('disk broken')));
  assert.equal(await openStreams(api), 0);
});
