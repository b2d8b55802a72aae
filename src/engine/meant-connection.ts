import type { ConnectionSettings } from '../core/connection.ts';
import { matchesAnyGlob } from '../core/glob.ts';
import type { ConnectionUse } from '../core/step.ts';
import type { TeamConnection } from '../core/team-connections.ts';

/** Of the family that a use names. */
export interface Candidates {
  readonly configured: readonly ConnectionSettings[];
  /** Those that the namespace brings itself. */
  readonly own: readonly TeamConnection[];
  readonly namespace: string;
  /** Of the configs by which it may; none: it may not. */
  readonly templates: readonly string[];
}

/** The connection that a use means; a text says why there is none. */
export function meantConnection(
  use: ConnectionUse,
  candidates: Candidates,
): ConnectionSettings | TeamConnection | string {
  const { configured, own } = candidates;
  const usable = configured.filter(
    ({ allow: { namespaces } }) => namespaces === undefined || matchesAnyGlob(namespaces, candidates.namespace),
  );
  const meant = use.name === undefined ? unnamed(use, candidates, usable) : named(use, candidates);
  if (typeof meant === 'string') return meant;
  const places = [...usable, ...own].filter(({ name }) => name === meant.name).map(({ place }) => place);
  if (places.length < 2) return meant;
  return `connection ${meant.name} is there twice: ${places.join(' and ')}; rename one of them`;
}

function named({ family, name }: ConnectionUse, candidates: Candidates) {
  const { configured, own } = candidates;
  const meant = [...own, ...configured].find((candidate) => candidate.name === name);
  if (meant !== undefined) return meant;
  const names = namesOf([...configured, ...own]);
  const none =
    names === ''
      ? `no ${family} connection is configured, so there is none named ${name}`
      : `there is no ${family} connection named ${name}; there are: ${names}`;
  return none + adviceToTeam(candidates);
}

function unnamed({ family }: ConnectionUse, candidates: Candidates, usable: readonly ConnectionSettings[]) {
  const { configured, own } = candidates;
  // One that cannot be read may be the default that is meant: rather fail than act with another credential.
  const nearest = own.find(({ mistake }) => mistake !== undefined) ?? own.find(({ isDefault }) => isDefault);
  if (nearest !== undefined) return nearest;
  // Where only connections for others are configured, their own refusal says so.
  const all = own.length === 0 ? configured : [...own, ...usable];
  const [only] = all;
  const chosen = all.length === 1 ? only : all.find(({ isDefault }) => isDefault);
  if (chosen !== undefined) return chosen;
  return all.length === 0
    ? `no ${family} connection is configured; add one under connections in the configuration${adviceToTeam(candidates)}`
    : `several ${family} connections are configured and none is the default; name one of: ${namesOf(all)}`;
}

function adviceToTeam({ namespace, templates }: Candidates): string {
  if (templates.length === 0) return '';
  return (
    `; namespace ${namespace} may bring its own: a config of the template ${templates.join(' or ')} with a connection, ` +
    'and a RoleBinding of our account to the ClusterRole aftersync-connection (docs/install.md)'
  );
}

function namesOf(connections: readonly ConnectionSettings[]): string {
  return connections.map(({ name }) => name).join(', ');
}
