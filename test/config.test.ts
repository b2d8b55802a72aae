import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Type } from '@sinclair/typebox';
import { type Config, ConfigError, loadConfig } from '../src/config.ts';
import { type AnyConnectionType, defineConnectionType } from '../src/core/connection.ts';
import { DurationSchema } from '../src/core/request.ts';

const forge = defineConnectionType({
  type: 'forge',
  family: 'github',
  options: Type.Object({
    baseUrl: Type.String({ default: 'https://forge.example.com', pattern: '^https?://' }),
    auth: Type.Object(
      { tokenFile: Type.String(), installation: Type.Optional(Type.Integer()) },
      { additionalProperties: false, errorMessage: 'either a token or nothing' },
    ),
    sendTimeout: Type.Optional(DurationSchema),
  }),
  allow: ['repositories'],
  open: () => ({}),
}) as AnyConnectionType;
const cluster = defineConnectionType({
  type: 'cluster',
  family: 'kubernetes',
  options: Type.Object({}),
  allow: [],
  open: () => ({}),
}) as AnyConnectionType;
const edge = defineConnectionType({
  type: 'edge',
  family: 'cdn',
  options: Type.Object({ endpoints: Type.Array(Type.String(), { minItems: 1 }) }),
  allow: ['hosts'],
  open: () => ({}),
}) as AnyConnectionType;

let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aftersync-config-'));
  await put('token', 'secret\n');
  await put('empty', ' \n');
  await put('folder/file', '');
});

after(() => rm(folder, { recursive: true }));

async function put(name: string, content: string | Uint8Array): Promise<void> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

function load(overrides: Partial<Parameters<typeof loadConfig>[0]> = {}): Promise<Config> {
  return loadConfig({
    env: {},
    cwd: folder,
    connectionTypes: [forge, edge, cluster],
    steps: [{ name: 'dispatch', authority: ['/workflow', '/object/kind'] }, { name: 'purge' }],
    podFolder: join(folder, 'no-pod'),
    ...overrides,
  });
}

async function loadText(text: string | Uint8Array): Promise<Config> {
  await put('c.yaml', text);
  return load({ path: 'c.yaml' });
}

async function mistakesIn(text: string | Uint8Array): Promise<readonly string[]> {
  try {
    await loadText(text);
  } catch (error) {
    assert(error instanceof ConfigError);
    assert.equal(error.message, error.mistakes.join('\n'));
    return error.mistakes.map((line) => line.replaceAll(folder, '<folder>'));
  }
  assert.fail('the configuration was accepted');
}

const connection = `
connections:
  - name: github
    type: forge
    auth: { tokenFile: token }
`;

/** Connections to clusters, of which none is the default. */
function clusters(...names: readonly string[]): string {
  return `\nconnections: [${names.map((name) => `{ name: ${name}, type: cluster }`).join(', ')}]`;
}

/** Ten anchors, each of nine uses of the one before: 9¹⁰ texts if it were written out. */
function aliasBomb(): string {
  const names = [...'abcdefghij'];
  return names
    .map((name, index) => `${name}: &${name} [${Array(9).fill(index === 0 ? 'x' : `*${names[index - 1]}`)}]`)
    .join('\n');
}

describe('each mistake names file, line, column, key, what was expected and what was found:', () => {
  const addressHint = 'expected an address such as 127.0.0.1:8080 or [::1]:8080';
  const table: readonly (readonly [title: string, text: string | Uint8Array, ...lines: string[]])[] = [
    [
      'YAML that ends in the middle',
      'server: {address: "127.0.0.1:80"\nlog: {}',
      'c.yaml:2:1: no YAML: Flow map in block collection must be sufficiently indented and end with a }',
    ],
    ['a tab as indentation', 'server:\n\taddress: x', 'c.yaml:2:1: no YAML: Tabs are not allowed as indentation'],
    ['two documents', 'log: {}\n---\nlog: {}', 'c.yaml:2:1: expected one YAML document, found another'],
    ['a tag', 'log: !secret x', 'c.yaml:1:6: no YAML: Unresolved tag: !secret'],
    ['a key that is no text', '? [a]\n: 1', 'c.yaml:1:3: no YAML: With stringKeys, all keys must be strings'],
    ['an unknown anchor', 'log: *here', 'c.yaml:1:6: expected the name of an anchor above, found *here'],
    ['anchors that multiply', aliasBomb(), 'c.yaml:1:1: expected at most 100 uses of an anchor, found more'],
    [
      'a file that is too large',
      `#${'x'.repeat(1024 * 1024)}`,
      'c.yaml: the configuration cannot be read: it is over 1048576 bytes long',
    ],
    [
      'a file in UTF-16',
      Buffer.from('\ufefflog: {}', 'utf16le'),
      'c.yaml: the configuration cannot be read: it is not text in UTF-8',
    ],
    ['a list instead of keys', '- server', 'c.yaml:1:1: expected an object, found an array of 1'],
    [
      'a key twice',
      'log: { level: info }\nserver: {}\nlog: { level: debug }',
      'c.yaml:3:1: log: expected each key once, found it again; the first is at c.yaml:1:1',
    ],
    [
      'a key twice in a connection',
      `${connection}    name: other`,
      'c.yaml:6:5: connections[0].name: expected each key once, found it again; the first is at c.yaml:3:5',
    ],
    [
      'a misspelled key',
      'server: { adress: "127.0.0.1:1" }',
      'c.yaml:1:11: server.adress: is not a known key; did you mean address?',
    ],
    ['a misspelled section', 'sevrer: {}', 'c.yaml:1:1: sevrer: is not a known key; did you mean server?'],
    [
      'an unknown key',
      'server: { port: 1 }',
      'c.yaml:1:11: server.port: is not a known key; known are address, hooksAddress',
    ],
    [
      'a text instead of keys, which may be a secret',
      'ci s3cret-t0ken *',
      'c.yaml:1:1: expected an object, found a text',
    ],
    ['a secret instead of a section', 'auth: s3cret-t0ken', 'c.yaml:1:7: auth: expected an object, found a text'],
    [
      'a secret instead of the path of its file',
      'auth: { tokensFile: ghp_0123456789abcdefghijKLMN }',
      'c.yaml:1:21: auth.tokensFile: expected a file with a credential at the place given (it is not shown: put the credential itself into a file), but there is no such file',
    ],
    ['a section without content', 'server:', 'c.yaml:1:8: server: expected an object, found null'],
    [
      'an address for webhooks that is none',
      'server:\n  hooksAddress: 8081',
      'c.yaml:2:17: server.hooksAddress: expected an address such as 0.0.0.0:8081, found 8081',
    ],
    [
      'an address for webhooks without a port',
      'server:\n  hooksAddress: localhost',
      `c.yaml:2:17: server.hooksAddress: ${addressHint}, found "localhost"`,
    ],
    [
      'an address for webhooks with the port of the server',
      'server: { hooksAddress: "[::1]:8080" }',
      'c.yaml:1:25: server.hooksAddress: expected another port than that of server.address, found "[::1]:8080"',
    ],
    ['an address that is a number', 'server: { address: 80 }', `c.yaml:1:20: server.address: ${addressHint}, found 80`],
    [
      'an address without port',
      'server: { address: localhost }',
      `c.yaml:1:20: server.address: ${addressHint}, found "localhost"`,
    ],
    [
      'a port that does not exist',
      'server: { address: "127.0.0.1:70000" }',
      `c.yaml:1:20: server.address: ${addressHint}, found "127.0.0.1:70000"`,
    ],
    [
      'an address that is no IPv6 address',
      'server: { address: "[::zz]:80" }',
      `c.yaml:1:20: server.address: ${addressHint}, found "[::zz]:80"`,
    ],
    [
      'an address for all without authentication',
      'server:\n  address: 0.0.0.0:8080',
      'c.yaml:2:12: server.address: expected a loopback address as long as callers need no credential, found "0.0.0.0:8080"; set auth.kubernetes or auth.tokensFile to serve others',
    ],
    [
      'tokens that are not there',
      'auth: { tokensFile: nowhere }',
      'c.yaml:1:21: auth.tokensFile: expected a file with a credential at <folder>/nowhere, but there is no such file',
    ],
    [
      'tokens that are empty',
      'auth: { tokensFile: empty }',
      'c.yaml:1:21: auth.tokensFile: expected a file with a credential at <folder>/empty, but it is empty',
    ],
    [
      'tokens that are a folder',
      'auth: { tokensFile: folder }',
      'c.yaml:1:21: auth.tokensFile: expected a file with a credential at <folder>/folder, but it is a folder',
    ],
    [
      'an address for all without authentication, whatever can be proven',
      `server: { address: 0.0.0.0:80 }\nauth: { kubernetes: false }\nkubevela: {}${clusters('a')}`,
      'c.yaml:1:20: server.address: expected a loopback address as long as callers need no credential, found "0.0.0.0:80"; set auth.kubernetes or auth.tokensFile to serve others',
    ],
    [
      'an address where a range belongs, and ranges that are none',
      'network: { allow: [10.0.0.7, 10.0.0.0/33, "fd00::/129", example.com/8, 10.0.0.0/-1, "fe80::1%lo/64"] }',
      'c.yaml:1:20: network.allow[0]: expected a range of addresses such as 10.96.0.0/12, found "10.0.0.7"',
      'c.yaml:1:30: network.allow[1]: expected a range of addresses such as 10.96.0.0/12, found "10.0.0.0/33"',
      'c.yaml:1:43: network.allow[2]: expected a range of addresses such as 10.96.0.0/12, found "fd00::/129"',
      'c.yaml:1:57: network.allow[3]: expected a range of addresses such as 10.96.0.0/12, found "example.com/8"',
      'c.yaml:1:72: network.allow[4]: expected a range of addresses such as 10.96.0.0/12, found "10.0.0.0/-1"',
      'c.yaml:1:85: network.allow[5]: expected a range of addresses such as 10.96.0.0/12, found "fe80::1%lo/64"',
    ],
    [
      'connections of teams in a cluster that is not configured',
      `teamConnections: { connection: prood }${clusters('prod')}`,
      'c.yaml:1:32: teamConnections.connection: expected one of prod, found "prood"; did you mean prod?',
    ],
    [
      'callers of a cluster in another form',
      'auth: { kubernetes: yes please }',
      'c.yaml:1:21: auth.kubernetes: expected true, false or { connection: NAME }, found a text',
    ],
    [
      'callers of a cluster with a misspelled key',
      'auth: { kubernetes: { conection: a } }',
      'c.yaml:1:21: auth.kubernetes: expected true, false or { connection: NAME }, found an object',
    ],
    [
      'callers of one of several clusters',
      `auth: { kubernetes: true }${clusters('a', 'b')}`,
      'c.yaml:1:21: auth.kubernetes: expected connection to name one of a, b, since none of them is the default',
    ],
    [
      'callers of a cluster that is not there',
      `auth: { kubernetes: { connection: prood } }${clusters('prod')}`,
      'c.yaml:1:35: auth.kubernetes.connection: expected one of prod, found "prood"; did you mean prod?',
    ],
    [
      'KubeVela in a connection that is no cluster',
      `kubevela: { connection: github }${connection}`,
      'c.yaml:1:25: kubevela.connection: expected a connection to a cluster, found "github", which is of type forge (c.yaml:3)',
    ],
    [
      'KubeVela where no cluster is',
      'kubevela: { connection: prod }',
      'c.yaml:1:25: kubevela.connection: expected a connection to a cluster, found "prod", but connections has none to a cluster',
    ],
    [
      'KubeVela without a cluster',
      'kubevela: {}',
      'c.yaml:1:11: kubevela: expected a connection to a cluster under connections, found none',
    ],
    [
      'KubeVela in one of several clusters',
      `kubevela: { definitions: [] }${clusters('a', 'b')}`,
      'c.yaml:1:11: kubevela: expected connection to name one of a, b, since none of them is the default',
    ],
    [
      'definitions of another form',
      `kubevela: { definitions: [smoke, { type: Smoke@v1, step: purge }, { type: a, stp: purge }] }${clusters('a')}`,
      'c.yaml:1:27: kubevela.definitions[0]: expected a definition, which is an object with type and step, found "smoke"',
      'c.yaml:1:42: kubevela.definitions[1].type: expected the name of a step definition, without a version, found "Smoke@v1"',
      'c.yaml:1:67: kubevela.definitions[2].step: is missing: expected the name of a step',
      'c.yaml:1:78: kubevela.definitions[2].stp: is not a known key; did you mean step?',
    ],
    [
      'definitions that are ours, that are there twice, or that wrap nothing',
      `kubevela:
  definitions:
    - { type: purge, step: purge }
    - { type: aftersync-purge, step: purge }
    - { type: smoke-test, step: dispach }
    - { type: smoke-test, step: dispatch }${clusters('a')}`,
      `c.yaml:3:15: kubevela.definitions[0].type: expected a definition of your own, found "purge", which is aftersync's`,
      `c.yaml:4:15: kubevela.definitions[1].type: expected a definition of your own, found "aftersync-purge", which is aftersync's`,
      'c.yaml:5:33: kubevela.definitions[2].step: expected one of dispatch, purge, found "dispach"; did you mean dispatch?',
      'c.yaml:6:15: kubevela.definitions[3].type: expected each type once, found "smoke-test" again; the first is at c.yaml:5:15',
    ],
    [
      'fields that carry no authority',
      `kubevela: { authorityFromInputs: [dispatch/workflows, 7] }${clusters('a')}`,
      'c.yaml:1:55: kubevela.authorityFromInputs[1]: expected a field as STEP/FIELD, found 7',
    ],
    [
      'fields that no step has',
      `kubevela: { authorityFromInputs: [dispatch/workflows, dispatch/object/kind] }${clusters('a')}`,
      'c.yaml:1:35: kubevela.authorityFromInputs[0]: expected one of dispatch/workflow, dispatch/object/kind, dispatch/onChange/connection, dispatch/onChange/object/apiVersion, dispatch/onChange/object/kind, dispatch/onChange/object/namespace, dispatch/onChange/object/cluster, dispatch/readyWhen/connection, dispatch/readyWhen/object/apiVersion, dispatch/readyWhen/object/kind, dispatch/readyWhen/object/namespace, dispatch/readyWhen/object/cluster, found "dispatch/workflows"; did you mean dispatch/workflow?',
    ],
    [
      'an unknown store',
      'store: { type: etcd }',
      'c.yaml:1:16: store.type: expected "sqlite" or "kubernetes", found "etcd"',
    ],
    [
      'keys of the other store',
      'store: { type: kubernetes, path: a.db }',
      'c.yaml:1:34: store.path: is only for a store of type sqlite',
    ],
    [
      'keys of a store in a cluster without one',
      'store: { leaseDuration: 15s, writesPerSecond: 10 }',
      'c.yaml:1:25: store.leaseDuration: is only for a store of type kubernetes',
      'c.yaml:1:47: store.writesPerSecond: is only for a store of type kubernetes',
    ],
    [
      'a lease that is too short',
      'store: { type: kubernetes, leaseDuration: 999ms }',
      'c.yaml:1:43: store.leaseDuration: expected a duration from 1s to 5m, such as 15s, found "999ms"',
    ],
    [
      'a rate of nothing',
      'store: { type: kubernetes, writesPerSecond: 0 }',
      'c.yaml:1:45: store.writesPerSecond: expected a whole number from 1 to 100000, found 0',
    ],
    [
      'a store in no cluster that there is',
      `store: { type: kubernetes, connection: c }${clusters('a', 'b')}`,
      'c.yaml:1:40: store.connection: expected one of a, b, found "c"; did you mean a?',
    ],
    [
      'a count of nothing',
      'retention: { perStep: 0 }',
      'c.yaml:1:23: retention.perStep: expected a whole number from 1, found 0',
    ],
    [
      'a duration with spaces',
      'retention: { finished: 1 week }',
      'c.yaml:1:24: retention.finished: expected a duration of at least 24h, such as 7d, found "1 week"',
    ],
    [
      'a retention that is too short',
      'retention: { finished: 23h }',
      'c.yaml:1:24: retention.finished: expected a duration of at least 24h, such as 7d, found "23h"',
    ],
    [
      'an unknown level',
      'log: { level: verbose }',
      'c.yaml:1:15: log.level: expected "fatal" or "error" or "warn" or "info" or "debug" or "trace", found "verbose"',
    ],
    [
      'connections by name',
      'connections: {}',
      'c.yaml:1:14: connections: expected a list of connections, found an object',
    ],
    [
      'a connection that is a name',
      'connections: [github]',
      'c.yaml:1:15: connections[0]: expected a connection, which is an object with name and type, found "github"',
    ],
    [
      'a connection without type',
      'connections:\n  - name: x',
      'c.yaml:2:5: connections[0].type: is missing: expected the type of a provider',
    ],
    [
      'unknown connection types',
      'connections:\n  - { name: x, type: akamai }\n  - { name: y, type: forg }',
      'c.yaml:2:22: connections[0].type: expected one of cluster, edge, forge, found "akamai"',
      'c.yaml:3:22: connections[1].type: expected one of cluster, edge, forge, found "forg"; did you mean forge?',
    ],
    [
      'a name with a space',
      'connections:\n  - { name: "My CDN", type: edge, endpoints: [x] }',
      'c.yaml:2:13: connections[0].name: expected a name of lower-case letters, digits and -, found "My CDN"',
    ],
    [
      'options that do not fit the type',
      'connections:\n  - name: x\n    type: forge\n    baseUrl: ftp://x\n    auth: {}\n    sendTimeout: 20\n    sendTimeOut: 20s',
      'c.yaml:4:14: connections[0].baseUrl: expected a string that matches ^https?://, found "ftp://x"',
      'c.yaml:5:11: connections[0].auth.tokenFile: is missing: expected a string',
      'c.yaml:6:18: connections[0].sendTimeout: expected a duration such as 30s, 10m or 2h, found 20',
      'c.yaml:7:5: connections[0].sendTimeOut: is not a known key; did you mean sendTimeout?',
    ],
    [
      'a credential that is not there',
      'connections:\n  - name: x\n    type: forge\n    auth: { tokenFile: secrets/token }',
      'c.yaml:4:24: connections[0].auth.tokenFile: expected a file with a credential at <folder>/secrets/token, but there is no such file',
    ],
    [
      'a credential as a value, which is not repeated',
      'connections:\n  - name: x\n    type: forge\n    auth: { token: ghp_abc, tokenFile: token }',
      'c.yaml:4:13: connections[0].auth.token: is not a known key; known are tokenFile, installation',
    ],
    [
      'a password in a URL, which is not repeated',
      'connections:\n  - name: x\n    type: forge\n    auth: { tokenFile: token }\n    baseUrl: ftp://me:secret@example.com',
      'c.yaml:5:14: connections[0].baseUrl: expected a string that matches ^https?://, found "ftp://…@example.com"',
      'c.yaml:5:14: connections[0].baseUrl: expected a URL without user name and password: credentials are files, never values',
    ],
    [
      'credentials where their section belongs, which are not repeated',
      'connections:\n  - { name: x, type: forge, auth: ghp_abc }\n  - { name: y, type: forge, auth: { tokenFile: token, installation: ghp_abc } }',
      'c.yaml:2:35: connections[0].auth: expected either a token or nothing, found a text',
      'c.yaml:3:69: connections[1].auth.installation: expected an integer, found a text',
    ],
    [
      'what a connection allows',
      `${connection}    allow: { repos: ["acme/*"], namespaces: "shop-*", repositories: ["acme/{a,b}", "acme/?"] }`,
      'c.yaml:6:14: connections[0].allow.repos: is not a known key; known are namespaces, repositories',
      'c.yaml:6:45: connections[0].allow.namespaces: expected a list of at most 1000 patterns, found "shop-*"',
      'c.yaml:6:70: connections[0].allow.repositories[0]: expected a pattern in which * and ? stand for any characters, without any of ! [ ] { } or white space, found "acme/{a,b}"',
    ],
    [
      'a name twice, of which one connection is of unknown type',
      `${connection}  - name: github\n    type: akamai`,
      'c.yaml:6:11: connections[1].name: expected a name of its own, found "github" again; the first is at c.yaml:3:11',
      'c.yaml:7:11: connections[1].type: expected one of cluster, edge, forge, found "akamai"',
    ],
    [
      'two defaults of a family',
      `${connection}    default: true\n  - { name: two, type: forge, default: true, auth: { tokenFile: token } }\n  - { name: edge, type: edge, default: true, endpoints: [x] }`,
      'c.yaml:7:40: connections[1].default: expected one default among the github connections, found another; the first is at c.yaml:6:14',
    ],
    [
      'mistakes in several places, in the order of the file',
      'store: { type: etcd }\nlog: { level: loud }\nserver: { address: x }\nstore: { type: sqlit }',
      'c.yaml:2:15: log.level: expected "fatal" or "error" or "warn" or "info" or "debug" or "trace", found "loud"',
      `c.yaml:3:20: server.address: ${addressHint}, found "x"`,
      'c.yaml:4:1: store: expected each key once, found it again; the first is at c.yaml:1:1',
      'c.yaml:4:16: store.type: expected "sqlite" or "kubernetes", found "sqlit"',
    ],
  ];
  for (const [title, text, ...lines] of table) {
    test(title, async () => assert.deepEqual(await mistakesIn(text), lines));
  }

  test('nesting that would exhaust the stack', async () => {
    for (const text of ['['.repeat(100_000), `a: ${'{a: '.repeat(50_000)}`, '- '.repeat(100_000)]) {
      assert.match(
        (await mistakesIn(text)).join(),
        /^c\.yaml:1:\d+: expected YAML of moderate depth, found deeper nesting$/,
      );
    }
  });
});

describe('where the configuration comes from:', () => {
  test('without a file all is default, and paths start from the working directory', async () => {
    assert.deepEqual(await load(), {
      namespace: 'default',
      server: { host: '127.0.0.1', port: 8080 },
      auth: {},
      store: { type: 'sqlite', path: join(folder, 'data/aftersync.db') },
      retention: { finishedMs: 7 * 24 * 3_600_000 },
      log: { level: 'info' },
      network: { allow: [] },
      connections: [],
    });
  });

  test('an empty file is like none', async () => {
    const { file, ...rest } = await loadText('# nothing yet\n');
    assert.equal(file, 'c.yaml');
    assert.deepEqual(rest, await load());
  });

  test('--config wins over AFTERSYNC_CONFIG, which wins over aftersync.yaml in the working directory', async () => {
    await put('place/aftersync.yaml', 'log: { level: trace }');
    await put('place/env.yaml', 'log: { level: debug }');
    await put('place/named.yaml', 'log: { level: warn }');
    const cwd = join(folder, 'place');
    const env = { AFTERSYNC_CONFIG: 'env.yaml' };
    assert.equal((await load({ cwd })).log.level, 'trace');
    assert.equal((await load({ cwd, env: { AFTERSYNC_CONFIG: '' } })).log.level, 'trace');
    assert.equal((await load({ cwd, env })).log.level, 'debug');
    assert.equal((await load({ cwd, env, path: 'named.yaml' })).log.level, 'warn');
  });

  test('a file that was named must be there', async () => {
    await assert.rejects(load({ path: 'gone.yaml' }), {
      name: 'ConfigError',
      message: 'gone.yaml: the configuration cannot be read: there is no such file',
    });
    await assert.rejects(load({ env: { AFTERSYNC_CONFIG: 'gone.yaml' } }), { name: 'ConfigError' });
  });

  test('a pod tells its namespace, which is who may use a connection that names none', async () => {
    await put('pod/namespace', 'vela-system\n');
    await put('c.yaml', connection);
    const { namespace, connections } = await load({ path: 'c.yaml', podFolder: join(folder, 'pod') });
    assert.equal(namespace, 'vela-system');
    assert.deepEqual(connections[0]?.allow, { namespaces: ['vela-system'] });
  });

  test('a list that its type does not leave open is empty where it is left out', async () => {
    const type = { ...edge, allow: ['hosts', 'secrets'], allowByDefault: { secrets: [] } };
    const text =
      'connections: [{ name: a, type: edge, endpoints: [x] }, { name: b, type: edge, endpoints: [x], allow: ';
    await put('c.yaml', `${text}{ secrets: [shop/a] } }]`);
    const { connections } = await load({ path: 'c.yaml', connectionTypes: [type] });
    const allowed = connections.map(({ allow }) => allow);
    const namespaces = ['default'];
    assert.deepEqual(allowed, [
      { namespaces, secrets: [] },
      { namespaces, secrets: ['shop/a'] },
    ]);
  });
});

describe('what is read:', () => {
  test('every key', async () => {
    const config = await loadText(`
server: { address: "0.0.0.0:0", hooksAddress: "0.0.0.0:0" }
auth: { tokensFile: ./token, kubernetes: { connection: prod } }
kubevela:
  connection: prod
  definitions: [{ type: smoke-test, step: dispatch }]
  authorityFromInputs: [dispatch/object/kind]
store: { type: sqlite, path: state/a.db }
retention: { finished: 30d }
log: { level: error }
network: { allow: [10.96.0.0/12, "fd00::/8"] }
teamConnections: { connection: prod }
connections:
  - name: forge
    type: forge
    owner: platform@example.com
    default: true
    auth: { tokenFile: token }
    sendTimeout: 1s
    allow: { namespaces: ["shop-*"], repositories: ["acme/*"] }
  - { name: edge, type: edge, endpoints: ["http://127.0.0.1:6081"], allow: { hosts: [www.example.com] } }
  - { name: prod, type: cluster }
`);
    assert.deepEqual(config, {
      file: 'c.yaml',
      namespace: 'default',
      server: { host: '0.0.0.0', port: 0 },
      hooks: { host: '0.0.0.0', port: 0 },
      auth: { tokensFile: join(folder, 'token'), kubernetes: { connection: 'prod' } },
      kubevela: {
        connection: 'prod',
        definitions: [{ type: 'smoke-test', step: 'dispatch' }],
        authorityFromInputs: ['dispatch/object/kind'],
      },
      store: { type: 'sqlite', path: join(folder, 'state/a.db') },
      retention: { finishedMs: 30 * 24 * 3_600_000 },
      log: { level: 'error' },
      network: { allow: ['10.96.0.0/12', 'fd00::/8'] },
      teamConnections: { connection: 'prod' },
      connections: [
        {
          name: 'forge',
          type: 'forge',
          owner: 'platform@example.com',
          allow: { namespaces: ['shop-*'], repositories: ['acme/*'] },
          isDefault: true,
          options: {
            baseUrl: 'https://forge.example.com',
            auth: { tokenFile: join(folder, 'token') },
            sendTimeout: '1s',
          },
          place: 'c.yaml:14',
        },
        {
          name: 'edge',
          type: 'edge',
          allow: { namespaces: ['default'], hosts: ['www.example.com'] },
          isDefault: false,
          options: { endpoints: ['http://127.0.0.1:6081'] },
          place: 'c.yaml:21',
        },
        {
          name: 'prod',
          type: 'cluster',
          allow: { namespaces: ['default'] },
          isDefault: false,
          options: {},
          place: 'c.yaml:22',
        },
      ],
    });
  });

  test('a section that names no cluster means the only one or the default one', async () => {
    const several = clusters('a', 'b').replace('{ name: b', '{ default: true, name: b');
    for (const [text, name] of [
      [clusters('a'), 'a'],
      [several, 'b'],
    ] as const) {
      const { auth, kubevela } = await loadText(`auth: { kubernetes: true }\nkubevela: {}${text}`);
      assert.deepEqual(auth, { kubernetes: { connection: name } });
      assert.deepEqual(kubevela, { connection: name, definitions: [], authorityFromInputs: [] });
    }
    const { auth } = await loadText(`auth: { kubernetes: { connection: a } }${several}`);
    assert.deepEqual(auth, { kubernetes: { connection: 'a' } });
  });

  test("callers of the pod's own cluster need no connection to it, and no tokens", async () => {
    for (const kubernetes of ['true', '{}']) {
      const { server, auth } = await loadText(`server: { address: "[::]:80" }\nauth: { kubernetes: ${kubernetes} }`);
      assert.deepEqual({ server, auth }, { server: { host: '::', port: 80 }, auth: { kubernetes: {} } });
    }
    assert.deepEqual((await loadText('auth: { kubernetes: false }')).auth, {});
  });

  test('paths in the file start from the file, wherever the process was started', async () => {
    await put('etc/c.yaml', 'store: { path: a.db }\nauth: { tokensFile: token }');
    await put('etc/token', 'x');
    const { store, auth } = await load({ path: 'etc/c.yaml' });
    assert.deepEqual(store, { type: 'sqlite', path: join(folder, 'etc/a.db') });
    assert.equal(auth.tokensFile, join(folder, 'etc/token'));
  });

  test('a store in memory is no path', async () => {
    assert.deepEqual((await loadText('store: { path: ":memory:" }')).store, { type: 'sqlite', path: ':memory:' });
  });

  test('a store in a cluster needs no connection to it in a pod, and takes the only one or the default one', async () => {
    const defaults = { type: 'kubernetes', leaseMs: 15_000, writesPerSecond: 1_000 };
    assert.deepEqual((await loadText('store: { type: kubernetes }')).store, defaults);
    const { store, retention } = await loadText(
      `store: { type: kubernetes, leaseNamespace: leases, leaseDuration: 30s, writesPerSecond: 100 }\nretention: { perStep: 20 }${clusters('a')}`,
    );
    assert.deepEqual(store, {
      type: 'kubernetes',
      connection: 'a',
      leaseNamespace: 'leases',
      leaseMs: 30_000,
      writesPerSecond: 100,
    });
    assert.deepEqual(retention, { finishedMs: 7 * 24 * 3_600_000, perStep: 20 });
  });

  test('an anchor stands for its value', async () => {
    const { connections } = await loadText(`
connections:
  - { name: a, type: edge, endpoints: [x], allow: &mine { hosts: [a.example.com] } }
  - { name: b, type: edge, endpoints: [x], allow: *mine }
`);
    assert.deepEqual(connections[1]?.allow.hosts, ['a.example.com']);
  });

  test('loopback needs no authentication, in whichever form it is written', async () => {
    for (const address of ['127.0.0.1:0', '127.8.9.1:1', '[::1]:65535', 'localhost:8080', '[::ffff:127.0.0.1]:80']) {
      await loadText(`server: { address: "${address}" }`);
    }
    for (const address of ['[::]:80', '192.168.0.1:80', 'example.com:80', '[::ffff:10.0.0.1]:80']) {
      assert.match(
        (await mistakesIn(`server: { address: "${address}" }`)).join(),
        /set auth\.kubernetes or auth\.tokensFile/,
      );
    }
  });
});

for (const url of ['https:///me:secret@h', 'https:me:secret@h', 'https:\\me:secret@h', 'https://me:secret@h:99999']) {
  test(`a password is found in ${url}, and not repeated`, async () => {
    const endpoints = `endpoints: ['${url}']`;
    const lines = await mistakesIn(`connections: [{ name: '${url}', type: edge, ${endpoints} }]`);
    assert.ok(lines.some((line) => line.includes('connections[0].endpoints[0]: expected a URL without user name')));
    assert.doesNotMatch(lines.join(), /secret/);
  });
}

describe('a folder of connections', () => {
  const forgeIn = (more = '') => `type: forge\nauth: { tokenFile: token }\n${more}`;

  test('holds one in each sub-folder with a connection.yaml, its credentials beside it', async () => {
    await put('more/one/connection.yaml', forgeIn('allow: { namespaces: ["a"] }'));
    await put('more/one/token', 'secret');
    await put('more/credentials-alone/token', 'secret');
    await put('more/..data/connection.yaml', 'not: read');
    const { connections } = await loadText('connectionsFolder: more');
    assert.deepEqual(
      connections.map(({ name, place, options }) => [name, place, options.auth]),
      [['one', join(folder, 'more/one/connection.yaml:1'), { tokenFile: join(folder, 'more/one/token') }]],
    );
  });

  test('is checked like the file itself, and each mistake names its own file', async () => {
    await put('wrong/github/connection.yaml', forgeIn('name: other\nbaseUrl: x'));
    await put('wrong/github/token', 'secret');
    await put('token', 'secret');
    const lines = await mistakesIn(`${connection}connectionsFolder: wrong`);
    const at = '<folder>/wrong/github/connection.yaml';
    assert.deepEqual(lines, [
      `${at}:3:7: name: expected github, the name of its folder, or no name at all`,
      `${at}:3:7: name: expected a name of its own, found "github" again; the first is at c.yaml:3:11`,
      `${at}:4:10: baseUrl: expected a string that matches ^https?://, found "x"`,
    ]);
  });

  test('that is not there is said', async () => {
    const [line = ''] = await mistakesIn('connectionsFolder: nowhere');
    assert.match(line, /^c.yaml:1:20: connectionsFolder: expected a folder of connections, but .*nowhere.*\(ENOENT\)/);
  });
});
