import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mistakesOf, withDefaults } from '../../../src/core/schema.ts';
import { github } from '../../../src/providers/github/connection.ts';
import { providerTools } from '../provider-tools.ts';

const auth = { tokenFile: '/token' };
const place = { repository: 'acme/shop', workflow: 'smoke.yml' };
const tools = providerTools({ fetch: () => Promise.reject(new Error('no network here')) });

function open(options: object) {
  return github.open(withDefaults(github.options, { auth, ...options }) as Parameters<typeof github.open>[0], tools);
}

describe('a connection to GitHub', () => {
  it('needs nothing but a token', () => {
    const { options } = open({});
    assert.equal(options.baseUrl, 'https://api.github.com');
    assert.equal(options.sendTimeoutMs, 20_000);
    assert.equal(options.discoverForMs, 180_000);
    assert.equal(options.pollIntervalMs, 5_000);
    assert.equal(options.authentication.description, 'the token in /token');
  });

  it('can be an app instead of a token', () => {
    const { options } = open({ auth: { app: { appId: 7, privateKeyFile: '/key' } } });
    assert.equal(options.authentication.description, 'app 7 with the private key in /key');
  });

  it('opens without a request and without reading the token', () => {
    assert.doesNotThrow(() => open({}));
  });

  for (const [baseUrl, page] of [
    ['https://api.github.com', 'https://github.com/acme/shop/actions/workflows/smoke.yml'],
    ['https://api.acme.ghe.com/', 'https://acme.ghe.com/acme/shop/actions/workflows/smoke.yml'],
    ['https://git.example.com/api/v3/', 'https://git.example.com/acme/shop/actions/workflows/smoke.yml'],
  ] as const) {
    it(`shows people the pages that belong to ${baseUrl}`, () => {
      assert.equal(open({ baseUrl }).workflows.pageUrl(place), page);
    });
  }

  for (const [name, options, path] of [
    ['an address that is none', { auth, baseUrl: 'github.com' }, '/baseUrl'],
    ['a time that is none', { auth, sendTimeout: '20' }, '/sendTimeout'],
    ['a token in the configuration', { auth: { ...auth, token: 'x' } }, '/auth/token'],
    ['no credential', {}, '/auth'],
    ['an empty credential', { auth: {} }, '/auth'],
    ['two credentials', { auth: { ...auth, app: { appId: 7, privateKeyFile: '/key' } } }, '/auth'],
    ['an app without its key', { auth: { app: { appId: 7 } } }, '/auth/app/privateKeyFile'],
    ['a key in the configuration', { auth: { app: { appId: 7, privateKey: 'x' } } }, '/auth/app/privateKey'],
  ] as const) {
    it(`refuses ${name}`, () => {
      const mistakes = mistakesOf(github.options, withDefaults(github.options, options));
      assert.ok(mistakes.some((mistake) => mistake.path === path));
    });
  }
});
