import { limits } from '../core/limits.ts';

/** What people are told, and what is stored with each write, within bounds: a provider may answer with a whole page. */
export function shortText(text: string, mostCharacters: number = limits.messageCharacters): string {
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters).toWellFormed()}…`;
}
