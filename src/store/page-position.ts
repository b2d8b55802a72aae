import { type ExecutionKey, keyText } from '../core/execution.ts';
import { isLabel } from '../core/request.ts';
import type { EpochMs } from '../core/time.ts';

/** Where a list goes on: after this one, whether it still exists or not. */
export interface PagePosition extends ExecutionKey {
  readonly createdAt: EpochMs;
}

/** Opaque to callers, and safe in a URL. */
export function toContinueToken(position: PagePosition): string {
  return Buffer.from(`${position.createdAt}/${keyText(position)}`).toString('base64url');
}

/** Throws RangeError on a text that toContinueToken did not make. */
export function fromContinueToken(token: string): PagePosition {
  const [createdAt = '', namespace = '', id = ''] = Buffer.from(token, 'base64url').toString().split('/');
  const position = { createdAt: Number(createdAt), namespace, id };
  const isValid = Number.isSafeInteger(position.createdAt) && isLabel(namespace) && isLabel(id);
  // Decoding skips what it does not know, so only the way back shows that nothing was skipped.
  if (!isValid || toContinueToken(position) !== token) throw new RangeError('this `continue` was not made by a list');
  return position;
}
