import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { readTeamConnections } from '../../src/config/team-connections.ts';
import type { ConfigSecret } from '../../src/core/team-connections.ts';
import { connectionTypes } from '../../src/providers/index.ts';

const place = 'Secret shop/github, key connection.yaml';
const token = 'ghp_1234567890abcdef';

function secret(file: string | undefined, values: Readonly<Record<string, string>> = { token }, name = 'github') {
  const all = Object.entries(file === undefined ? values : { ...values, 'connection.yaml': file });
  return { name, template: 'aftersync-github', values: new Map(all) } satisfies ConfigSecret;
}

function read(...secrets: readonly ConfigSecret[]) {
  return readTeamConnections(secrets, { namespace: 'shop', types: connectionTypes });
}

/** What is said of the only one, which cannot be used. */
function mistakeIn(file: string, values?: Readonly<Record<string, string>>): string {
  const [found, ...others] = read(secret(file, values));
  assert.deepEqual(others, []);
  const { mistake, ...rest } = found ?? assert.fail('there is none');
  const empty = { isDefault: false, allow: {}, options: {} };
  assert.deepEqual(rest, { name: 'github', namespace: 'shop', type: 'github', place, ...empty });
  return mistake ?? assert.fail('nothing is wrong with it');
}

test('a Secret with a connection.yaml is a connection, whose credentials are keys beside it', () => {
  const file = 'type: github\nauth: { tokenFile: token }\nowner: shop@example.com\ndefault: true\n';
  const [found] = read(secret(`${file}allow: { namespaces: ["*"], repositories: ["acme/*"] }`));
  const { options, ...rest } = found ?? assert.fail();
  assert.deepEqual(rest, {
    name: 'github',
    namespace: 'shop',
    type: 'github',
    owner: 'shop@example.com',
    // Whatever it says.
    allow: { namespaces: ['shop'], repositories: ['acme/*'] },
    isDefault: true,
    place: `${place}:1`,
  });
  assert.deepEqual(options.auth, { tokenFile: 'token' });
});

test('one without is none', () => {
  assert.deepEqual(read(secret(undefined)), []);
});

test('of the types that have a template each is taken', () => {
  const files = {
    cloudflare: 'zone: 0123456789abcdef0123456789abcdef\napiTokenFile: token',
    cloudfront: 'distribution: E1\nhostNames: [a.example]\naccessKeyIdFile: token\nsecretAccessKeyFile: token',
    fastly: 'service: S1\napiTokenFile: token',
    github: 'auth: { app: { appId: 7, privateKeyFile: token } }',
    nginx: 'endpoints: ["http://nginx.shop"]',
    varnish: 'endpoints: { listFile: token }',
  };
  const found = read(...Object.entries(files).map(([type, file]) => secret(`type: ${type}\n${file}`, { token }, type)));
  assert.deepEqual(
    found.map(({ type, mistake }) => [type, mistake]),
    Object.keys(files).map((type) => [type, undefined]),
  );
});

describe('a mistake is told with place, key, and what was expected:', () => {
  const auth = 'auth: { tokenFile: token }';
  const noKey = 'expected the name of a key of the same Secret, with a credential in it';
  const table: readonly (readonly [title: string, file: string, mistake: string])[] = [
    ['no YAML', '{', `${place}:1:2: no YAML: Flow map must end with a }`],
    [
      'a text',
      'ghp_s3cret',
      `${place}:1:1: expected a connection, which is an object with name and type, found a text`,
    ],
    ['an unknown key', `type: github\ntokn: x\n${auth}`, `${place}:2:1: tokn: is not a known key; known are`],
    [
      'a cluster, which would be reached by our own rights',
      'type: kubernetes',
      `${place}:1:7: type: expected one of cloudflare, cloudfront, fastly, github, nginx, varnish`,
    ],
    [
      'another name',
      `name: other\ntype: github\n${auth}`,
      `${place}:1:7: name: expected github, the name of its Secret, or no name at all`,
    ],
    [
      'a URL with a password',
      `type: github\n${auth}\nbaseUrl: https://a:b@c`,
      `${place}:3:10: baseUrl: expected a URL without user name and password`,
    ],
    ...[
      '/etc/aftersync/connections/github/token',
      '../github/token',
      './token',
      '/var/run/secrets/kubernetes.io/serviceaccount/token',
      'Token',
      'empty',
      '__proto__',
    ].map(
      (path) =>
        [
          `a credential at ${path}`,
          `type: github\nauth: { tokenFile: ${path} }`,
          `${place}:2:20: auth.tokenFile: ${noKey}`,
        ] as const,
    ),
    ...['limits: {}', 'pollInterval: 1ms', 'sendTimeout: 2h', 'webhookSecretFile: token'].map(
      (option) =>
        [
          `what only the operator may set: ${option}`,
          `type: ${option === 'limits: {}' ? 'varnish\nendpoints: [http://a]' : `github\n${auth}`}\n${option}`,
          `${place}:3:${option.indexOf(' ') + 2}: ${option.split(':')[0]}: expected nothing here: only connections of the operator have it`,
        ] as const,
    ),
    ['a text that is too long', `type: github\n#${'x'.repeat(20_000)}`, `${place}: expected at most 16384 characters`],
  ];
  for (const [title, file, mistake] of table) {
    test(title, () => {
      const said = mistakeIn(file, { token, empty: '' });
      assert.ok(said.startsWith(mistake), said);
    });
  }
});

for (const file of [
  'type: TOKEN',
  'type: github\nauth: TOKEN',
  'type: github\nauth: *TOKEN',
  'type: github\nauth: { tokenFile: TOKEN }',
  'type: github\nauth: { app: { appId: 7, privateKeyFile: token, installationId: TOKEN } }',
  'type: github\nauth: { tokenFile: token }\nbaseUrl: TOKEN',
]) {
  test(`a credential that stands in a wrong place is not quoted: ${JSON.stringify(file)}`, () => {
    assert.doesNotMatch(mistakeIn(file.replace('TOKEN', token)), new RegExp(token));
  });
}

test('of two defaults of a family the second one is a mistake, and the others stand', () => {
  const file = 'type: github\nauth: { tokenFile: token }';
  const asDefault = `${file}\ndefault: true`;
  const [a, b, c] = read(
    secret(asDefault, { token }, 'a'),
    secret(asDefault, { token }, 'b'),
    secret(file, { token }, 'c'),
  );
  assert.deepEqual([a?.mistake, c?.mistake], [undefined, undefined]);
  assert.match(b?.mistake ?? '', /expected one default .* the first is at Secret shop\/a, key connection.yaml:3:10/);
});

test('the Secret that docs/install.md makes by hand is a connection', () => {
  const text = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```yaml\n(apiVersion: v1\nkind: Secret\n.*?)```/gs)];
  assert.equal(blocks.length, 1);
  const { metadata, stringData } = parse(blocks[0]?.[1] ?? '') as {
    readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
    readonly stringData: Readonly<Record<string, string>>;
  };
  const template = metadata.labels['config.oam.dev/type'] ?? '';
  const [found] = read({ name: metadata.name, template, values: new Map(Object.entries(stringData)) });
  assert.deepEqual([found?.name, found?.type, found?.mistake], ['github', 'github', undefined]);
});
