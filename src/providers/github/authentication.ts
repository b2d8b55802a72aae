import type { Credential } from '../../core/connection.ts';
import { Rejected } from '../../core/effect.ts';

/** Who we are to GitHub. A token from a file today; an app that mints its tokens is another one of these. */
export interface Authentication {
  /** For messages, never the secret: `the token in /etc/aftersync/github/token`. */
  readonly description: string;
  /** What to send with the next request; asked anew for each, because tokens are renewed. */
  credentials(): Promise<GitHubCredentials>;
}

export interface GitHubCredentials {
  /** Value of the Authorization header. */
  readonly authorization: string;
  /** What must never be seen again: taken out of whatever comes back. */
  readonly secret: string;
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
