import { hash } from 'node:crypto';
import type { AccessReviews, ReviewedUser, Verb } from '../core/access-reviews.ts';
import { digestOf, type Json } from '../core/json.ts';
import type { Clock } from '../core/time.ts';
import { type Authenticate, bearerToken, type Caller, unknownToken } from './authenticate.ts';
import { Verdicts } from './verdicts.ts';

/** A refusal is forgotten sooner: who was refused is often given the right, and tries again, at once. */
const kept = { keepYesMs: 60_000, keepNoMs: 10_000 };
/** Who calls, and in which namespaces, at a time; an entry takes some hundred bytes. */
const mostUsers = 10_000;
const mostRights = 50_000;

/**
 * Callers by the tokens of a cluster, which is asked whose a token is and what they may do. What it allowed counts for
 * 60 s, so a token that was revoked is taken for that long at most. Tokens are kept as digests alone.
 */
export function kubernetesCallers({
  reviews,
  clock,
}: {
  readonly reviews: AccessReviews;
  readonly clock: Clock;
}): Authenticate {
  const callers = new Verdicts<Caller | undefined>({ clock, ...kept, most: mostUsers });
  const rights = new Verdicts<boolean>({ clock, ...kept, most: mostRights });

  function callerOf(user: ReviewedUser): Caller {
    // Rights may depend on groups and on what the token adds, so that one name may stand for different rights.
    const userDigest = digestOf(user as unknown as Json);
    const may = (verb: Verb, namespace: string | undefined) =>
      rights.of(`${userDigest}/${verb}/${namespace ?? '*'}`, () => reviews.may(user, verb, namespace));
    return {
      // No name of a static token has a colon: who makes an id of a key, does so for itself alone.
      name: `kubernetes:${user.name}`,
      advice: 'it takes that verb on stepexecutions.aftersync.dev',
      may,
      namespacesFor: async (verb) => ((await may(verb, undefined)) ? ['*'] : []),
    };
  }

  return async ({ authorization }) => {
    const token = bearerToken(authorization);
    const caller = await callers.of(hash('sha256', token, 'hex'), async () => {
      const user = await reviews.userOf(token);
      return user && callerOf(user);
    });
    if (caller === undefined) throw unknownToken();
    return caller;
  };
}
