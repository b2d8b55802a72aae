import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Type } from '@sinclair/typebox';
import type { AnyConnectionType, ConnectionSettings } from '../../src/core/connection.ts';
import { Rejected } from '../../src/core/effect.ts';
import type { Reason } from '../../src/core/reason.ts';
import type { TeamConnection } from '../../src/core/team-connections.ts';
import { Connections } from '../../src/engine/connections.ts';
import { providerTools } from '../providers/provider-tools.ts';

/** A kind of connection that can be waited on, and keeps what is done with its clients. */
function toyType() {
  const done: string[] = [];
  const type: AnyConnectionType = {
    type: 'toy',
    family: 'kubernetes',
    options: Type.Object({}),
    allow: ['things'],
    open: (_, { connectionName }) => {
      done.push(`open ${connectionName}`);
      return connectionName;
    },
    subscribe: (client, key, raise) => {
      done.push(`subscribe ${client} ${key}`);
      raise();
      return () => done.push(`release ${client} ${key}`);
    },
    wake: (client, key) => {
      done.push(`wake ${client} ${key}`);
    },
    close: async (client) => {
      done.push(`close ${client}`);
    },
  };
  return { type, done };
}

function settings(name: string, allow: ConnectionSettings['allow'] = {}): ConnectionSettings {
  const place = 'aftersync.yaml:1';
  return { name, type: 'toy', allow: { namespaces: ['*'], ...allow }, isDefault: false, options: {}, place };
}

function open(type: AnyConnectionType, ...all: readonly ConnectionSettings[]): Connections {
  const tools = providerTools({ fetch: () => Promise.reject(new Error('unused')) });
  return new Connections({ settings: all, types: [type], tools });
}

test('a signal is subscribed to at the connection that it names, which is opened for it', async () => {
  const { type, done } = toyType();
  const connections = open(type, settings('one'), settings('two'));
  const [source] = connections.sources();
  assert.equal(source?.prefix, 'toy');
  let raised = 0;
  const release = source.subscribe('two/apis/things/a', () => {
    raised += 1;
  });
  release();
  assert.equal(raised, 1);
  assert.deepEqual(done, ['open two', 'subscribe two apis/things/a', 'release two apis/things/a']);
});

test('a signal of a connection that is configured no longer wakes who waits for it', () => {
  const { type, done } = toyType();
  const [source] = open(type, settings('one')).sources();
  let raised = 0;
  source?.subscribe('gone/apis/things/a', () => {
    raised += 1;
  })();
  assert.deepEqual([raised, done], [1, []]);
});

test('what is told from outside goes to the connection that the key names, and to no other', () => {
  const { type, done } = toyType();
  const [source] = open(type, settings('one'), settings('two')).sources();
  source?.wake?.('two/apis/things/a');
  source?.wake?.('gone/apis/things/a');
  assert.deepEqual(done, ['open two', 'wake two apis/things/a']);
});

test('a type that cannot be waited on is no source', () => {
  const { subscribe: _, ...type } = toyType().type;
  assert.deepEqual(open(type, settings('one')).sources(), []);
});

test('steps and signals share one client, and closing closes those that were opened', async () => {
  const { type, done } = toyType();
  const connections = open(type, settings('one'), settings('two'));
  await connections.open({ family: 'kubernetes', name: 'one', claims: {} }, 'default');
  connections.sources()[0]?.subscribe('one/a', () => {});
  await connections.close();
  assert.deepEqual(done, ['open one', 'subscribe one a', 'close one']);
});

test('a list that stands and is empty allows nothing', async () => {
  const { type } = toyType();
  const connections = open(type, settings('one', { things: [] }));
  const use = { family: 'kubernetes', claims: { things: ['a'] } } as const;
  await assert.rejects(connections.permit(use, 'default'), (error) => {
    return error instanceof Rejected && /allows the things \(none\), not a/.test(error.message);
  });
});

/** The type, with which the namespace shop brings connections of these names itself. */
function openWithTeams(
  { type }: ReturnType<typeof toyType>,
  all: readonly ConnectionSettings[],
  own: readonly Partial<TeamConnection>[],
): Connections {
  const tools = providerTools({ fetch: () => Promise.reject(new Error('unused')) });
  const found = own.map((changes): TeamConnection => {
    return {
      ...settings('own'),
      namespace: 'shop',
      allow: { namespaces: ['shop'] },
      place: 'Secret shop/own',
      ...changes,
    };
  });
  const teams = { of: async (namespace: string) => (namespace === 'shop' ? found : []), tools: () => tools };
  return new Connections({ settings: all, types: [{ ...type, templates: ['aftersync-toy'] }], tools, teams });
}

const ownToy = { family: 'kubernetes', name: 'own', claims: {} } as const;

function refused(reason: Reason, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof Rejected);
    assert.match(error.message, message);
    return error.reason === reason;
  };
}

test('a connection of a namespace is open to that one alone, and who asks elsewhere is told what to do', async () => {
  const toy = toyType();
  const connections = openWithTeams(toy, [settings('one')], [{}]);
  assert.equal(await connections.open(ownToy, 'shop'), 'shop:own');
  await assert.rejects(
    connections.open(ownToy, 'blog'),
    refused(
      'ConnectionFailed',
      /no kubernetes connection named own; there are: one; namespace blog may bring its own: .*aftersync-toy.*RoleBinding/,
    ),
  );
  assert.deepEqual(toy.done, ['open shop:own']);
});

test('a connection of a namespace restricts itself', async () => {
  const connections = openWithTeams(
    toyType(),
    [],
    [{ allow: { namespaces: ['shop'], things: ['a'] }, owner: 'shop@x' }],
  );
  await connections.permit({ ...ownToy, claims: { things: ['a'] } }, 'shop');
  await assert.rejects(
    connections.permit({ ...ownToy, claims: { things: ['b'] } }, 'shop'),
    refused('Denied', /^connection own \(Secret shop\/own\) allows the things a, not b; ask shop@x$/),
  );
});

test('a connection of a namespace that is none says what is wrong with it', async () => {
  const connections = openWithTeams(toyType(), [], [{ mistake: 'Secret shop/own, key connection.yaml:1:1: no YAML' }]);
  await assert.rejects(
    connections.open({ family: 'kubernetes', claims: {} }, 'shop'),
    refused('ConnectionFailed', /^connection own cannot be used: Secret shop\/own, key connection.yaml:1:1: no YAML$/),
  );
});

test('what a namespace may bring itself is not refused before that was looked at', () => {
  const { type, done } = toyType();
  const own = { ...ownToy, name: 'own' };
  openWithTeams({ type, done }, [settings('one')], []).assertKnown(own, 'shop');
  assert.throws(
    () => open(type, settings('one')).assertKnown(own, 'shop'),
    /there is no kubernetes connection named own/,
  );
});

test('a signal of a connection of a namespace is subscribed to at its client, once that is open', async () => {
  const toy = toyType();
  const connections = openWithTeams(toy, [], [{}]);
  const [source] = connections.sources();
  const release = source?.subscribe('shop:own/things/a', () => {});
  await connections.open(ownToy, 'shop');
  release?.();
  await connections.close();
  const expected = ['open shop:own', 'subscribe shop:own things/a', 'release shop:own things/a', 'close shop:own'];
  assert.deepEqual(toy.done, expected);
});
