import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { it, type TestContext } from 'node:test';
import { pino } from 'pino';
import type { EpochMs } from '../../../src/core/time.ts';
import { ClusterAccess } from '../../../src/providers/kubernetes/cluster-access.ts';
import { ClusterApi } from '../../../src/providers/kubernetes/cluster-api.ts';
import { CollectionWatch } from '../../../src/providers/kubernetes/collection-watch.ts';
import { eventually } from '../../support/eventually.ts';
import { listenOnLoopback } from '../../support/listen.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const path = '/api/v1/namespaces/default/configmaps';
const object = (resourceVersion: string, name = 'a') => ({ metadata: { name, uid: `uid-${name}`, resourceVersion } });
const line = (type: string, value: object) => `${JSON.stringify({ type, object: value })}\n`;
const listOf = (resourceVersion: string, ...items: object[]) =>
  JSON.stringify({ metadata: { resourceVersion }, items });

/** Lets what is under way go on between two looks, which costs nothing itself. */
function soon<T>(look: () => T, isGood: (seen: T) => boolean): Promise<T> {
  return eventually(() => new Promise<T>((resolve) => setImmediate(() => resolve(look()))), isGood);
}

const requestTimeoutMs = 5_000;
const silenceLimitMs = 90_000;

/** Keeps how long was paused: all that is waited for but the two limits. */
class ListeningClock extends ManualClock {
  readonly pauses: number[] = [];

  override at(time: EpochMs, callback: () => void): () => void {
    const spanMs = time - this.now();
    if (spanMs !== requestTimeoutMs && spanMs !== silenceLimitMs) this.pauses.push(spanMs);
    return super.at(time, callback);
  }
}

/** Each request in turn gets the next of these; the last one stands for all further ones. */
type Reply = (response: ServerResponse) => void;

const text =
  (body: string, status = 200): Reply =>
  (response) =>
    void response.writeHead(status).end(body);
/** Sends the events, and leaves the watch open. */
const stream =
  (...events: string[]): Reply =>
  (response) => {
    response.writeHead(200).flushHeaders();
    response.write(events.join(''));
  };

/** A watch of one collection at a server that answers as the test says. */
function open(test: TestContext, ...replies: readonly Reply[]) {
  return openAt(path, test, replies);
}

async function openAt(path: string, test: TestContext, replies: readonly Reply[]) {
  const requests: URL[] = [];
  const said: string[] = [];
  const server = createServer((request, response) => {
    requests.push(new URL(request.url ?? '', 'http://localhost'));
    (replies[requests.length - 1] ?? replies.at(-1))?.(response);
  });
  const { url, close } = await listenOnLoopback(server);
  const kubeconfig = {
    clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  const clock = new ListeningClock();
  const credential = { path: '/kubeconfig', read: async () => JSON.stringify(kubeconfig) };
  const access = new ClusterAccess({ kubeconfig: credential, clock });
  const options = {
    api: new ClusterApi({ access, requestTimeoutMs, clock }),
    path,
    silenceLimitMs,
    clock,
    log: pino({ level: 'warn' }, { write: (line: string) => said.push(line) }),
    random: () => 0.5,
  };
  let watch: CollectionWatch | undefined;
  test.after(async () => {
    watch?.close();
    await access.close();
    await close();
  });
  const shows = (name = 'a') => {
    const sight = watch?.look(name);
    if (sight === undefined) return 'unknown';
    if ('refused' in sight) return 'refused';
    return sight.object?.metadata.resourceVersion ?? 'absent';
  };
  return {
    /** The first one begins the watch, in the same moment, as its subscription is what it is made for. */
    subscribe(name: string, raise = () => {}) {
      watch ??= new CollectionWatch(options);
      return watch.subscribe(name, raise);
    },
    isUnused: () => watch?.isUnused,
    clock,
    requests,
    said,
    shows,
    queries: () => requests.map(({ searchParams }) => searchParams.get('resourceVersion') ?? 'list'),
    until: (wanted: string, name = 'a') =>
      soon(
        () => shows(name),
        (shown) => shown === wanted,
      ),
    /** Lets each pause pass once it has begun, and no time while an answer is on its way, until it is so. */
    async pass(isSo: () => boolean): Promise<void> {
      let passed = 0;
      await soon(() => {
        for (; passed < clock.pauses.length; passed++) clock.advance(clock.pauses[passed] ?? 0);
        return isSo();
      }, Boolean);
    },
    asked: (count: number) =>
      soon(
        () => requests.length,
        (length) => length >= count,
      ),
  };
}

const expired = { kind: 'Status', code: 410, message: 'too old resource version' };
for (const [how, reply] of [
  ['an event', stream(line('ERROR', expired))],
  ['its status', text('{}', 410)],
] as const) {
  it(`a watch that is told by ${how} that its version is too old lists again`, async (t) => {
    const bench = await open(t, text(listOf('5', object('5'))), reply, text(listOf('9', object('9'))), stream());
    bench.subscribe('a');
    await bench.until('9');
    await bench.asked(4);
    assert.deepEqual(bench.queries(), ['list', '5', 'list', '9']);
  });
}

it('a watch goes on from what it saw last, be it an event, another object or a bookmark', async (t) => {
  const end: Reply = (response) => void response.writeHead(200).end(line('MODIFIED', object('6')));
  const other: Reply = (response) => void response.writeHead(200).end(line('ADDED', object('7', 'other')));
  const bookmark: Reply = (response) => void response.writeHead(200).end(line('BOOKMARK', object('8', '')));
  const bench = await open(t, text(listOf('5', object('5'))), end, other, bookmark, stream());
  bench.subscribe('a');
  await bench.asked(5);
  assert.deepEqual(bench.queries(), ['list', '5', '6', '7', '8']);
  assert.equal(bench.shows(), '6');
  const { searchParams } = bench.requests[1] ?? new URL('http://localhost');
  assert.deepEqual([searchParams.get('watch'), searchParams.get('allowWatchBookmarks')], ['1', 'true']);
  // 300 s and half of that again.
  assert.equal(searchParams.get('timeoutSeconds'), '450');
});

it('after failures it waits longer and longer, and a success makes it quick again', async (t) => {
  const down = text('unavailable', 503);
  const bookmark: Reply = (response) => void response.writeHead(200).end(line('BOOKMARK', object('6')));
  const bench = await open(t, down, down, down, down, text(listOf('5', object('5'))), bookmark, down);
  bench.subscribe('a');
  // The first failure after a success is followed at once. The others: half of 500 ms, 1 s, 2 s.
  const expected = [250, 500, 1_000, 250];
  for (const [index, pauseMs] of expected.entries()) {
    await soon(
      () => bench.clock.pauses.length,
      (length) => length > index,
    );
    bench.clock.advance(pauseMs);
  }
  assert.deepEqual(bench.clock.pauses.slice(0, expected.length), expected);
});

it('refusals are told only once they last', async (t) => {
  const forbidden = text(JSON.stringify({ message: 'forbidden' }), 403);
  const bench = await open(t, forbidden);
  let raised = 0;
  bench.subscribe('a', () => {
    raised += 1;
  });
  await bench.asked(1);
  assert.equal(bench.shows(), 'unknown');
  await bench.pass(() => bench.shows() === 'refused');
  assert.deepEqual([raised, bench.requests.length >= 5], [1, true]);
});

it('who comes while the collection is listed gets a read of his own, and what an event said meanwhile is not undone', async (t) => {
  const { promise: listing, resolve: answerList } = Promise.withResolvers<void>();
  const { promise: reading, resolve: answerRead } = Promise.withResolvers<void>();
  const bench = await open(
    t,
    async (response) => {
      await listing;
      response.writeHead(200).end(listOf('5', object('5')));
    },
    // The watch and the read come in either order.
    ...Array.from({ length: 2 }, () => async (response: ServerResponse) => {
      if (response.req.url?.includes('watch=1')) return stream(line('MODIFIED', object('7', 'late')))(response);
      await reading;
      response.writeHead(200).end(JSON.stringify(object('6', 'late')));
    }),
  );
  bench.subscribe('a');
  await bench.asked(1);
  bench.subscribe('late');
  answerList();
  await bench.until('7', 'late');
  answerRead();
  await bench.asked(3);
  assert.equal(bench.shows('late'), '7');
});

it('what is nobody’s any more is forgotten', async (t) => {
  const bench = await open(t, text(listOf('5', object('5'))), stream());
  const release = bench.subscribe('a');
  await bench.until('5');
  release();
  assert.deepEqual([bench.shows(), bench.isUnused()], ['unknown', true]);
});

it('across namespaces an object is known by its namespace too', async (t) => {
  const inNamespace = (namespace: string, version: string) => {
    const { metadata } = object(version, 'web');
    return { metadata: { ...metadata, namespace } };
  };
  const bench = await openAt('/apis/apps/v1/deployments', t, [
    text(listOf('5', inNamespace('shop', '4'), inNamespace('other', '5'))),
    // The watch and the read come in either order.
    ...Array.from({ length: 2 }, () => (response: ServerResponse) => {
      const { url = '' } = response.req;
      if (url.includes('watch=1')) return stream(line('MODIFIED', inNamespace('other', '6')))(response);
      response.writeHead(200).end(JSON.stringify(inNamespace('late', '7')));
    }),
  ]);
  bench.subscribe('shop/web');
  bench.subscribe('other/web');
  await bench.until('6', 'other/web');
  assert.equal(bench.shows('shop/web'), '4');
  bench.subscribe('late/web');
  await bench.until('7', 'late/web');
  const read = bench.requests.find(({ pathname }) => pathname.includes('/late/'));
  assert.equal(read?.pathname, '/apis/apps/v1/namespaces/late/deployments/web');
});

it('what lasts is not told again and again, and its end is news for all', async (t) => {
  const gone = Array.from({ length: 8 }, () => text('404 page not found', 404));
  const bench = await open(t, ...gone, text(listOf('5', object('5'))), stream());
  let raised = 0;
  bench.subscribe('a', () => {
    raised += 1;
  });
  await bench.pass(() => bench.shows() === '5');
  assert.deepEqual([raised, bench.said.length], [2, 5]);
});

it('where a watch that stood is refused, it begins with a list again', async (t) => {
  const refused = Array.from({ length: 6 }, () => text('{}', 403));
  const bench = await open(t, text(listOf('5', object('5'))), ...refused, text(listOf('5', object('5'))), stream());
  let raised = 0;
  bench.subscribe('a', () => {
    raised += 1;
  });
  await bench.pass(() => bench.requests.length === 9 && bench.shows() === '5');
  // By the first list, the refusal and the second list.
  assert.deepEqual([raised, bench.queries().slice(-3)], [3, ['list', 'list', '5']]);
});
