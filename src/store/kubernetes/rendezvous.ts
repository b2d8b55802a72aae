import { hash } from 'node:crypto';

/**
 * Which member a key belongs to: the one with the highest hash of both. All who know the same members agree without asking,
 * and one that goes moves its own keys only.
 */
export function ownerOf(key: string, members: Iterable<string>): string | undefined {
  let owner: string | undefined;
  let highest = '';
  for (const member of members) {
    const weight = hash('sha256', `${member}\n${key}`, 'hex');
    if (owner !== undefined && weight <= highest) continue;
    owner = member;
    highest = weight;
  }
  return owner;
}
