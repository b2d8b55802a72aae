import { createHash, randomBytes } from 'node:crypto';
import { toBase32 } from '../core/base32.ts';
import { Problem } from '../core/problem.ts';
import { ownIdPrefix } from '../core/request.ts';

export const longestIdempotencyKey = 255;

/**
 * The id that a repeated POST with the same Idempotency-Key finds again. Namespace and caller are part of it, so that
 * nobody comes upon another's execution by choosing the same key.
 */
export function idOfKey(parts: { readonly namespace: string; readonly caller: string; readonly key: string }): string {
  if (parts.key === '' || parts.key.length > longestIdempotencyKey) {
    throw new Problem('invalid-id', `the Idempotency-Key must have 1 to ${longestIdempotencyKey} characters`);
  }
  // JSON keeps the parts apart whatever characters they hold.
  const text = JSON.stringify([parts.namespace, parts.caller, parts.key]);
  return ownIdPrefix + toBase32(createHash('sha256').update(text).digest());
}

export function randomId(): string {
  return ownIdPrefix + toBase32(randomBytes(20));
}
