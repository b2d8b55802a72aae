import type { Credential } from '../core/connection.ts';
import { type FileStamp, fileStamp, readTextFile, UnreadableFile } from './read-text-file.ts';

const maxBytes = 64 * 1024;

/**
 * A file that was written this recently may be written again within the clock tick of its time stamp, which would not
 * show; it is read anew until it has settled.
 */
const settledAfterMs = 2_000;

/** Names the path, and in `reason` why it cannot be used; never the content. */
export class CredentialError extends Error {
  readonly reason: string;

  constructor(path: string, reason: string, options: { cause?: unknown } = {}) {
    super(`the credential file ${path} cannot be used: ${reason}`, options);
    this.name = 'CredentialError';
    this.reason = reason;
  }
}

/**
 * The secret in a file. Each `read` asks the file system whether the file is still the same, so that a rotated secret
 * (a mounted Kubernetes Secret changes by swapping a link) is in use at the next request. Throws CredentialError.
 */
export function fileCredential(path: string): Credential {
  let kept: { readonly stamp: FileStamp; readonly secret: string } | undefined;

  return {
    path,
    async read() {
      try {
        if (kept !== undefined && kept.stamp === (await fileStamp(path))) return kept.secret;
        kept = undefined;
        const { text, stamp, changedAtMs } = await readTextFile(path, maxBytes);
        const secret = text.trim();
        if (secret === '') throw new CredentialError(path, 'it is empty');
        if (Date.now() - changedAtMs > settledAfterMs) kept = { stamp, secret };
        return secret;
      } catch (error) {
        throw error instanceof UnreadableFile ? new CredentialError(path, error.message, { cause: error }) : error;
      }
    },
  };
}
