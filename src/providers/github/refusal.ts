import { Rejected } from '../../core/effect.ts';
import { withFate } from '../http-client.ts';
import { wordsOf } from './answer-words.ts';
import type { GitHubAnswer } from './octokit-transport.ts';

/** What a call is for, so that a refusal can say what to do. */
export interface Purpose {
  /** Completes "GitHub refuses to …": `start smoke.yml at main in acme/shop`. */
  readonly act: string;
  /** What is not there when the answer is 404: `workflow smoke.yml of acme/shop`. */
  readonly subject: string;
  /** What the token must be allowed: `Actions: write on acme/shop`. */
  readonly permission: string;
}

/**
 * What an answer other than 2xx means. Judged by its status alone; rate limits were told apart before (RateBudget).
 * Rejected: nothing was done, and asking again is no use. Any other Error: it cannot be told.
 * Source: facts/github-actions.md, section 2, the table of outcomes.
 */
export function refusalOf(answer: GitHubAnswer, purpose: Purpose, credential: string): Error {
  const { status } = answer;
  const said = [String(status), wordsOf(answer)].filter((part) => part !== '').join(' ');
  switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
      return new Rejected('Rejected', `GitHub has moved the ${purpose.subject} (${said}): name its new place`);
    case 400:
    case 422:
      return new Rejected('Rejected', `GitHub refuses to ${purpose.act} (${said})`);
    case 401:
      return new Rejected(
        'ConnectionFailed',
        `GitHub refuses ${credential} (${said}): it is wrong, expired or revoked; replace it`,
      );
    case 403:
      return new Rejected(
        'ConnectionFailed',
        `GitHub does not let ${credential} ${purpose.act} (${said}): it needs ${purpose.permission}`,
      );
    case 404:
      return new Rejected(
        'Rejected',
        `GitHub knows no ${purpose.subject} (${said}): check the names, and that ${credential} has ${purpose.permission}`,
      );
    default:
      return new Error(`GitHub gave no usable answer when asked to ${purpose.act} (${said})`);
  }
}

/** The error of a request that got no answer: NotSent or Rejected where that is certain, else itself, which leaves it open. */
export function unanswered(error: unknown): unknown {
  return withFate(error, ({ message, code }) => `GitHub cannot be reached: ${message} (${code})`);
}
