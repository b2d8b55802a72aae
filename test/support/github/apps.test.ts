import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { test } from 'node:test';
import { ManualClock } from '../manual-clock.ts';
import { createAppKeys, shopBot } from './app-key.ts';
import { ask } from './ask.ts';
import { startGitHubStandIn } from './stand-in.ts';

const keys = createAppKeys();
const otherKeys = createAppKeys();
const apps = [shopBot(keys)];
const repositories = [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml' }] }, { fullName: 'other/site' }];
const clock = new ManualClock();
const nowSeconds = Math.floor(clock.now() / 1_000);

/** Signed here and not by the product, whose signature the stand-in is there to check. */
function jwt(claims: object, { key = keys.pkcs8, alg = 'RS256' } = {}): string {
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const all = { iat: nowSeconds - 60, exp: nowSeconds + 540, iss: '7', ...claims };
  const signed = `${encoded({ alg, typ: 'JWT' })}.${encoded(all)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(key, 'base64url')}`;
}

const TOKENS: readonly [title: string, token: string, status: number, message?: RegExp][] = [
  ['one that is in order', jwt({}), 200],
  ['the client id as issuer', jwt({ iss: 'Iv23stand-in' }), 200],
  ['no token at all', 'stand-in-token', 401, /could not be decoded/],
  ['the key of another app', jwt({}, { key: otherKeys.pkcs8 }), 401, /could not be decoded/],
  ['another algorithm', jwt({}, { alg: 'none' }), 401, /could not be decoded/],
  ['claims that were changed', jwt({}).replace(/\..*\./, `.${jwt({ exp: 1 }).split('.')[1]}.`), 401, /decoded/],
  ['an app that does not exist', jwt({ iss: '8' }), 404, /Integration not found/],
  ['an issue in the future', jwt({ iat: nowSeconds + 1 }), 401, /'Issued at'/],
  ['an end that has passed', jwt({ exp: nowSeconds }), 401, /'Expiration time' .* numeric value/],
  ['an end too far off', jwt({ exp: nowSeconds + 601 }), 401, /too far in the future/],
];

for (const [title, token, status, message] of TOKENS) {
  test(`a JSON Web Token: ${title}`, async () => {
    await using standIn = await startGitHubStandIn({ repositories, apps, clock });
    const reply = await ask(standIn, 'getApp', { token });
    assert.equal(reply.status, status);
    if (message !== undefined) assert.match(reply.body.message, message);
  });
}

test('an installation token does what was asked for, for an hour, until it is revoked', async () => {
  await using standIn = await startGitHubStandIn({ repositories, apps, clock });
  const question = { token: jwt({}), with: { installation_id: 70 } };
  const body = { repositories: ['shop'], permissions: { actions: 'read' } };
  const { token, expires_at } = (await ask(standIn, 'createInstallationToken', { ...question, body })).body;
  assert.equal(Date.parse(expires_at), nowSeconds * 1_000 + 3_600_000);
  assert.equal((await ask(standIn, 'getWorkflow', { token })).status, 200);
  assert.equal((await ask(standIn, 'dispatch', { token, body: { ref: 'main' } })).status, 403);
  assert.equal((await ask(standIn, 'getRepository', { token, with: { owner: 'other', repo: 'site' } })).status, 404);

  const all = (await ask(standIn, 'createInstallationToken', { ...question, body: {} })).body.token;
  assert.equal((await ask(standIn, 'dispatch', { token: all, body: { ref: 'main' } })).status, 200);
  standIn.revokeInstallationTokens();
  assert.equal((await ask(standIn, 'getWorkflow', { token: all })).status, 401);
});
