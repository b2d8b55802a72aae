import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@sinclair/typebox';
import type { AnyConnectionType, HttpFetch } from '../../src/core/connection.ts';
import type { TeamConnection, TeamConnections } from '../../src/core/team-connections.ts';
import { TeamClients } from '../../src/engine/team-clients.ts';
import { providerTools } from '../providers/provider-tools.ts';

const operatorsFetch: HttpFetch = () => Promise.reject(new Error('the address is not guarded'));
const guardedFetch: HttpFetch = async () => ({ status: 200, headers: {}, text: 'guarded' });

/** Clients of a kind that can be waited on, and what is done with them. */
function openToys(capacity?: number) {
  const done: string[] = [];
  const raises = new Map<string, () => void>();
  const type: AnyConnectionType = {
    type: 'toy',
    family: 'github',
    options: Type.Object({}),
    allow: [],
    open: (options, tools) => {
      if ((options as { readonly port?: number }).port === 99_999) throw new TypeError('Invalid URL');
      const name = `${tools.connectionName}#${JSON.stringify(options)}`;
      done.push(`open ${name}`);
      return { name, tools };
    },
    subscribe: (client, key, raise) => {
      const what = `${(client as Toy).name} ${key}`;
      done.push(`subscribe ${what}`);
      raises.set(key, raise);
      raise();
      return () => done.push(`release ${what}`);
    },
    close: async (client) => {
      done.push(`close ${(client as Toy).name}`);
    },
  };
  const teams: TeamConnections = {
    of: async () => [],
    tools: ({ name }) => ({
      fetch: guardedFetch,
      credential: (path) => ({ path, read: async () => `${path} of ${name}` }),
    }),
  };
  const clients = new TeamClients(providerTools({ fetch: operatorsFetch }), teams, capacity);
  return { clients, type, done, open: (settings: TeamConnection) => clients.open(settings, type) as Toy };
}

interface Toy {
  readonly name: string;
  readonly tools: ReturnType<typeof providerTools>;
}

function own(name: string, options: TeamConnection['options'] = {}): TeamConnection {
  const place = `Secret shop/${name}`;
  return { name, namespace: 'shop', type: 'toy', allow: {}, isDefault: false, options, place };
}

test('a client is given guarded addresses and the credentials of its own Secret', async () => {
  const { tools } = openToys().open(own('a'));
  assert.equal((await tools.fetch({ method: 'GET', url: 'http://a', timeoutMs: 1 })).text, 'guarded');
  assert.equal(await tools.credential('token').read(), 'token of a');
});

test('a client lasts until its options change, whatever else does', () => {
  const { open, done } = openToys();
  const first = open(own('a', { x: 1 }));
  assert.equal(open({ ...own('a', { x: 1 }), allow: { repositories: ['b'] }, place: 'moved' }), first);
  assert.notEqual(open(own('a', { x: 2 })), first);
  assert.deepEqual(done, ['open shop:a#{"x":1}', 'open shop:a#{"x":2}', 'close shop:a#{"x":1}']);
});

test('who waits at a client waits at the one that takes its place, and looks', () => {
  const { clients, type, open, done } = openToys();
  let raised = 0;
  open(own('a', { x: 1 }));
  const release = clients.subscribe(type, 'shop:a', 'key', () => {
    raised += 1;
  });
  open(own('a', { x: 2 }));
  assert.equal(raised, 2);
  release();
  open(own('a', { x: 3 }));
  assert.deepEqual(
    done.filter((what) => !/^(open|close)/.test(what)),
    [
      'subscribe shop:a#{"x":1} key',
      'release shop:a#{"x":1} key',
      'subscribe shop:a#{"x":2} key',
      'release shop:a#{"x":2} key',
    ],
  );
});

test('after a restart who waits looks, which opens the client, and then waits there', () => {
  const { clients, type, open, done } = openToys();
  let raised = 0;
  clients.subscribe(type, 'shop:a', 'key', () => {
    raised += 1;
  });
  assert.deepEqual([raised, done], [1, []]);
  open(own('a'));
  assert.deepEqual(done, ['open shop:a#{}', 'subscribe shop:a#{} key']);
  assert.equal(raised, 2);
});

test('of the clients that nobody waits at, those not used for longest are closed', async () => {
  const { clients, open, done } = openToys(1);
  open(own('a'));
  open(own('b'));
  assert.deepEqual(done.slice(2), ['close shop:a#{}']);
  await clients.close();
  assert.equal(done.at(-1), 'close shop:b#{}');
});

test('a client is kept for as long as somebody waits at it, however many there are', async () => {
  const { clients, type, open, done } = openToys(1);
  const names = ['a', 'b', 'c'];
  const [release] = names.map((name) => {
    open(own(name));
    return clients.subscribe(type, `shop:${name}`, 'key', () => open(own(name)));
  });
  done.length = 0;
  for (const name of [...names, 'idle']) open(own(name));
  assert.deepEqual(done, ['open shop:idle#{}']);
  release?.();
  assert.deepEqual(done.slice(1), ['release shop:a#{} key', 'close shop:idle#{}']);
  await clients.close();
  assert.deepEqual(done.slice(3).sort(), ['close shop:a#{}', 'close shop:b#{}', 'close shop:c#{}']);
});

test('a client that cannot be made is the fault of its connection', () => {
  const { open } = openToys();
  assert.throws(() => open(own('a', { port: 99_999 })), {
    reason: 'ConnectionFailed',
    message: 'connection a (Secret shop/a) cannot be used: Invalid URL',
  });
});

test('a mistake in new options that is taken back leaves the client as it was', () => {
  const { clients, type, open, done } = openToys();
  const first = open(own('a'));
  clients.subscribe(type, 'shop:a', 'before', () => {});
  assert.throws(() => open(own('a', { port: 99_999 })));
  clients.subscribe(type, 'shop:a', 'meanwhile', () => {});
  assert.equal(open(own('a')), first);
  assert.deepEqual(done, ['open shop:a#{}', 'subscribe shop:a#{} before', 'subscribe shop:a#{} meanwhile']);
});
