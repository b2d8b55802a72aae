import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { appJwt, UnusableKey } from '../../../src/providers/github/app-jwt.ts';
import { createAppKeys } from '../../support/github/app-key.ts';

const keys = createAppKeys();
const now = Date.UTC(2026, 10, 21, 2, 0, 0, 900);

function partsOf(jwt: string) {
  const [header = '', claims = '', signature = ''] = jwt.split('.');
  const decoded = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return { header: decoded(header), claims: decoded(claims), signed: `${header}.${claims}`, signature };
}

describe("an app's JSON Web Token", () => {
  for (const form of ['pkcs1', 'pkcs8'] as const) {
    it(`is signed with a key in ${form}, with or without a line break at its end`, () => {
      for (const privateKey of [keys[form], keys[form].trim()]) {
        const { header, signed, signature } = partsOf(appJwt({ appId: 7, privateKey }, now));
        assert.deepEqual(header, { alg: 'RS256', typ: 'JWT' });
        assert.ok(verify('RSA-SHA256', Buffer.from(signed), keys.publicKey, Buffer.from(signature, 'base64url')));
      }
    });
  }

  it('begins a minute ago and lasts ten, the longest that GitHub takes', () => {
    const { claims } = partsOf(appJwt({ appId: 'Iv23x', privateKey: keys.pkcs8 }, now));
    const seconds = Math.floor(now / 1_000);
    assert.deepEqual(claims, { iat: seconds - 60, exp: seconds + 540, iss: 'Iv23x' });
  });

  const encrypted = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'canary' } as const;
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const [name, privateKey] of [
    ['text that is none', 'canary'],
    ['a public key', keys.publicKey],
    ['half a key', keys.pkcs1.slice(0, 800)],
    ['an encrypted key', rsa.export(encrypted).toString()],
    ['a key of another kind', ec.export({ type: 'pkcs8', format: 'pem' }).toString()],
  ] as const) {
    it(`cannot be made with ${name}, and nothing of it is told`, () => {
      assert.throws(
        () => appJwt({ appId: 7, privateKey }, now),
        (error: Error) => {
          assert.ok(error instanceof UnusableKey);
          assert.equal(error.cause, undefined);
          return !error.message.includes('canary');
        },
      );
    });
  }
});
