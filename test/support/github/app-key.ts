import { generateKeyPairSync } from 'node:crypto';
import type { AppOptions } from './options.ts';

export interface AppKeys {
  /** As GitHub gives it out. */
  readonly pkcs1: string;
  readonly pkcs8: string;
  readonly publicKey: string;
}

/** A new key pair of an app. Takes a while: once for a test file. */
export function createAppKeys(): AppKeys {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    pkcs1: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    pkcs8: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** shop-bot with all that it needs on all repositories of acme. */
export function shopBot({ publicKey }: AppKeys): AppOptions {
  return { id: 7, clientId: 'Iv23stand-in', slug: 'shop-bot', publicKey, installations: [{ id: 70, owner: 'acme' }] };
}
