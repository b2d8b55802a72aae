import type { ConnectionSettings } from '../core/connection.ts';
import { matchesGlob } from '../core/glob.ts';
import type { ConnectionUse } from '../core/step.ts';
import type { TeamConnection } from '../core/team-connections.ts';

/** Of the family that a use names. */
export interface Candidates {
  readonly configured: readonly ConnectionSettings[];
  /** Those that the namespace brings itself. */
  readonly own: readonly TeamConnection[];
  readonly namespace: string;
}

/** The connection that a use means; a text says why there is none. */
export function meantConnection(
  use: ConnectionUse,
  candidates: Candidates,
): ConnectionSettings | TeamConnection | string {
  const { configured, own } = candidates;
  const usable = configured.filter(({ allow }) => matchesAny(allow.namespaces, candidates.namespace));
  const meant = use.name === undefined ? unnamed(use, candidates, usable) : named(use, candidates);
  if (typeof meant === 'string') return meant;
  const places = [...usable, ...own].filter(({ name }) => name === meant.name).map(({ place }) => place);
  if (places.length < 2) return meant;
  return `connection ${meant.name} is there twice: ${places.join(' and ')}; rename one of them`;
}

function named({ family, name }: ConnectionUse, { configured, own }: Candidates) {
  const meant = [...own, ...configured].find((candidate) => candidate.name === name);
  if (meant !== undefined) return meant;
  const names = namesOf([...configured, ...own]);
  return names === ''
    ? `no ${family} connection is configured, so there is none named ${name}`
    : `there is no ${family} connection named ${name}; there are: ${names}`;
}

function unnamed({ family }: ConnectionUse, { configured, own }: Candidates, usable: readonly ConnectionSettings[]) {
  // One that cannot be read may be the default that is meant: rather fail than act with another credential.
  const nearest = own.find(({ mistake }) => mistake !== undefined) ?? own.find(({ isDefault }) => isDefault);
  if (nearest !== undefined) return nearest;
  // Where only connections for others are configured, their own refusal says so.
  const all = own.length === 0 ? configured : [...own, ...usable];
  const [only] = all;
  const chosen = all.length === 1 ? only : all.find(({ isDefault }) => isDefault);
  if (chosen !== undefined) return chosen;
  return all.length === 0
    ? `no ${family} connection is configured; add one under connections in the configuration`
    : `several ${family} connections are configured and none is the default; name one of: ${namesOf(all)}`;
}

function matchesAny(globs: readonly string[] | undefined, value: string): boolean {
  return globs?.some((glob) => matchesGlob(glob, value)) ?? true;
}

function namesOf(connections: readonly ConnectionSettings[]): string {
  return connections.map(({ name }) => name).join(', ');
}
