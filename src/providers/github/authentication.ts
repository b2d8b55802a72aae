import type { Credential } from '../../core/connection.ts';
import { Rejected } from '../../core/effect.ts';
import type { EpochMs } from '../../core/time.ts';

/** Who we are to GitHub: a token from a file, or an app that gets its tokens from GitHub. */
export interface Authentication {
  /** For messages, never the secret: `the token in /etc/aftersync/github/token`. */
  readonly description: string;
  /**
   * What to send with the next request; asked anew for each, because tokens are renewed. `repository`: the one that the
   * request is about, such as `acme/shop`; undefined: none.
   */
  credentials(repository?: string): Promise<GitHubCredentials>;
  /** Who stands as actor at runs we start, where that is not the user of the token. Undefined: GitHub does not tell. */
  login?(): Promise<string | undefined>;
}

export interface GitHubCredentials {
  /** Value of the Authorization header. */
  readonly authorization: string;
  /** What must never be seen again: taken out of whatever comes back. */
  readonly secret: string;
  /** Where they were given out by GitHub and can be again. */
  readonly renewal?: {
    readonly givenAt: EpochMs;
    /** GitHub refuses these: the next ones are new. */
    giveUp(): void;
  };
}

export function tokenAuthentication(credential: Credential): Authentication {
  const description = `the token in ${credential.path}`;
  return {
    description,
    async credentials() {
      // A Secret often ends in a line break, which would be part of the header and get past every redaction.
      const secret = (await credential.read()).trim();
      if (!/^[\x21-\x7e]+$/.test(secret)) {
        throw new Rejected('ConnectionFailed', `${description} is not one line of visible characters`);
      }
      return { authorization: `Bearer ${secret}`, secret };
    },
  };
}
