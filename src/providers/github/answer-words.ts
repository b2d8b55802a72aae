import { isJsonObject } from '../../core/json.ts';
import type { GitHubAnswer } from './octokit-transport.ts';

const mostCharacters = 300;

/** What an answer says to people, on one line: the `message` of GitHub's JSON. Empty where it has none, as with HTML of a proxy. */
export function wordsOf({ data }: Pick<GitHubAnswer, 'data'>): string {
  if (!isJsonObject(data) || typeof data.message !== 'string') return '';
  const details = Array.isArray(data.errors) ? data.errors.map(detailOf).filter((detail) => detail !== '') : [];
  const words = [data.message, ...details].join('; ').replace(/\s+/g, ' ').trim();
  return words.length <= mostCharacters ? words : `${words.slice(0, mostCharacters)}…`;
}

function detailOf(error: unknown): string {
  if (typeof error === 'string') return error;
  return isJsonObject(error) && typeof error.message === 'string' ? error.message : '';
}
