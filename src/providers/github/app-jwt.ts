import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { EpochMs } from '../../core/time.ts';

/** GitHub takes no token from the future, and its clock may be behind ours. */
const backdatedSeconds = 60;
/** The longest that GitHub takes. */
const validSeconds = 600;

export interface AppKey {
  /** The app's id or its client id. */
  readonly appId: number | string;
  /** PEM, PKCS#1 as GitHub gives it out, or PKCS#8. */
  readonly privateKey: string;
}

/** The text is no private key that GitHub could have given out. Says nothing of the text. */
export class UnusableKey extends Error {
  constructor() {
    super('is no unencrypted RSA private key in PEM form');
    this.name = 'UnusableKey';
  }
}

/**
 * A JSON Web Token by which an app shows who it is. Throws UnusableKey.
 * Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App".
 */
export function appJwt({ appId, privateKey }: AppKey, now: EpochMs): string {
  const issuedAt = Math.floor(now / 1_000) - backdatedSeconds;
  const claims = { iat: issuedAt, exp: issuedAt + validSeconds, iss: String(appId) };
  const signed = `${encoded({ alg: 'RS256', typ: 'JWT' })}.${encoded(claims)}`;
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), rsaKey(privateKey)).toString('base64url')}`;
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function rsaKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new UnusableKey();
  }
  if (key.asymmetricKeyType !== 'rsa') throw new UnusableKey();
  return key;
}
