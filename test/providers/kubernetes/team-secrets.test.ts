import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotSent, Rejected } from '../../../src/core/effect.ts';
import type { Json } from '../../../src/core/json.ts';
import type { ConfigSecret, TeamConnection } from '../../../src/core/team-connections.ts';
import type { ApiAnswer, GetOptions } from '../../../src/providers/kubernetes/cluster-api.ts';
import { TeamSecrets, type TeamSecretsOptions } from '../../../src/providers/kubernetes/team-secrets.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startApiStandIn } from './api-stand-in.ts';
import { openClient } from './open-client.ts';

function secret(name: string, values: Readonly<Record<string, string>>): Json {
  const labels = { 'config.oam.dev/type': 'aftersync-github', 'config.oam.dev/catalog': 'velacore-config' };
  const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { metadata: { name, namespace: 'shop', labels }, data: Object.fromEntries(data) };
}

function answer(status: number, body: Json = null): ApiAnswer {
  return { status, body, text: JSON.stringify(body), retryAfterSeconds: undefined };
}

function list(...items: readonly Json[]): ApiAnswer {
  return answer(200, { metadata: {}, items: [...items] });
}

function settingsOf({ name, template }: ConfigSecret, namespace: string): TeamConnection {
  return { name, namespace, type: template, allow: {}, isDefault: false, options: {}, place: `Secret ${name}` };
}

function openWith(api: TeamSecretsOptions['api'], clock = new ManualClock()): TeamSecrets {
  return new TeamSecrets({
    api,
    templates: ['aftersync-github', 'aftersync-varnish'],
    understand: (found, namespace) => found.map((each) => settingsOf(each, namespace)),
    fetch: () => Promise.reject(new Error('unused')),
    clock,
  });
}

/** A cluster that answers as `says` says, and what it was asked. */
function openSecrets(says: { answer: ApiAnswer | Error }) {
  const clock = new ManualClock();
  const asked: { readonly path: string; readonly options: GetOptions | undefined }[] = [];
  const api: TeamSecretsOptions['api'] = {
    refusal: ({ status }, { act }) => new Error(`may not ${act} (${status})`),
    async get(path, options) {
      asked.push({ path, options });
      if (says.answer instanceof Error) throw says.answer;
      return says.answer;
    },
  };
  const secrets = openWith(api, clock);
  const credential = (key: string, name = 'github') => {
    const config = { name, template: '', values: new Map() };
    return secrets.tools(settingsOf(config, 'shop')).credential(key);
  };
  return { secrets, clock, asked, credential };
}

test('only Secrets with the label of one of our templates are asked for, and not without bounds', async () => {
  const { secrets, asked } = openSecrets({ answer: list(secret('github', { token: 't' })) });
  const [found] = await secrets.of('shop');
  assert.deepEqual([found?.name, found?.type, found?.namespace], ['github', 'aftersync-github', 'shop']);
  const url = new URL(asked[0]?.path ?? '', 'http://cluster');
  assert.equal(url.pathname, '/api/v1/namespaces/shop/secrets');
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    labelSelector: 'config.oam.dev/type in (aftersync-github,aftersync-varnish)',
    limit: '21',
  });
  assert.deepEqual(asked[0]?.options, { maxBytes: 512 * 1024 });
});

test('many who ask at once are one question, which counts for 30 s', async () => {
  const { secrets, clock, asked } = openSecrets({ answer: list() });
  await Promise.all([secrets.of('shop'), secrets.of('shop'), secrets.of('blog')]);
  assert.equal(asked.length, 2);
  clock.advance(29_999);
  await secrets.of('shop');
  assert.equal(asked.length, 2);
  clock.advance(1);
  await secrets.of('shop');
  assert.equal(asked.length, 3);
});

test('a namespace that does not let us has no connections, which is no fault', async () => {
  const says = { answer: answer(403) };
  const { secrets, clock, asked } = openSecrets(says);
  assert.deepEqual(await secrets.of('shop'), []);
  assert.deepEqual(await secrets.of('shop'), []);
  assert.equal(asked.length, 1);
  says.answer = list(secret('github', {}));
  clock.advance(30_000);
  assert.equal((await secrets.of('shop')).length, 1);
});

test('a cluster that gives no answer is asked again by the next one', async () => {
  const says: { answer: ApiAnswer | Error } = { answer: new NotSent('no answer') };
  const { secrets } = openSecrets(says);
  await assert.rejects(secrets.of('shop'), NotSent);
  for (const status of [401, 429, 500]) {
    says.answer = answer(status);
    await assert.rejects(secrets.of('shop'), (error) => {
      return error instanceof NotSent && error.message === `may not list secrets in namespace shop (${status})`;
    });
  }
  says.answer = list();
  assert.deepEqual(await secrets.of('shop'), []);
});

test('twenty are read, whatever else is in the namespace; more than anybody needs are refused', async () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => secret(`github-${index}`, {}));
  const says = { answer: answer(200, { metadata: { continue: 'more' }, items: many(20) }) };
  const { secrets, clock } = openSecrets(says);
  assert.equal((await secrets.of('shop')).length, 20);
  clock.advance(30_000);
  says.answer = list(...many(21));
  await assert.rejects(secrets.of('shop'), {
    reason: 'ConnectionFailed',
    message: 'namespace shop has over 20 Secrets that are connections: delete some',
  });
});

test('so are those that are too large together, for asking again would not help', async (t) => {
  const { kubeconfig } = await startApiStandIn(t, () => ({ text: 'x'.repeat(512 * 1024 + 1) }));
  const client = openClient(kubeconfig());
  t.after(() => client.close());
  await assert.rejects(openWith(client.api).of('shop'), {
    reason: 'ConnectionFailed',
    message: 'namespace shop has over 512 KiB of Secrets that are connections: delete some',
  });
});

test('of many namespaces those are remembered that were asked about last', async () => {
  const { secrets, asked } = openSecrets({ answer: list() });
  for (let index = 0; index <= 250; index += 1) await secrets.of(`team-${index}`);
  await secrets.of('team-250');
  assert.equal(asked.length, 251);
  await secrets.of('team-0');
  assert.equal(asked.length, 252);
});

test('a credential is a key of its Secret, without white space around it, and follows it', async () => {
  const says = { answer: list(secret('github', { token: ' one\n' }), secret('other', { token: 'other' })) };
  const { clock, credential } = openSecrets(says);
  const token = credential('token');
  assert.equal(token.path, 'Secret shop/github, key token');
  assert.equal(await token.read(), 'one');
  says.answer = list(secret('github', { token: 'two' }));
  assert.equal(await token.read(), 'one');
  clock.advance(30_000);
  assert.equal(await token.read(), 'two');
  says.answer = answer(403);
  clock.advance(30_000);
  await assert.rejects(token.read(), (error) => {
    return error instanceof Rejected && error.message === `${token.path} is not there any more, or may not be read`;
  });
});

for (const path of ['/etc/hostname', '../../../../etc/hostname', './token', 'other/token', 'constructor', '']) {
  test(`no credential is at ${JSON.stringify(path)}`, async () => {
    const { credential } = openSecrets({ answer: list(secret('github', { token: 't' })) });
    await assert.rejects(credential(path).read(), Rejected);
  });
}
