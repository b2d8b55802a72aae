import { createHash } from 'node:crypto';
import { toBase32 } from '../core/base32.ts';

const longestId = 63;

/** `<id>-r<n>`; where that is too long for a DNS label, the id's end becomes its hash. */
export function retryId(id: string, n: number): string {
  const suffix = `-r${n}`;
  if (id.length + suffix.length <= longestId) return id + suffix;
  const hash = toBase32(createHash('sha256').update(id).digest().subarray(0, 5));
  return `${id.slice(0, longestId - suffix.length - hash.length - 1)}-${hash}${suffix}`;
}
