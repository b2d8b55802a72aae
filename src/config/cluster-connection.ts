import type { AnyConnectionType, ConnectionSettings } from '../core/connection.ts';
import type { MistakeList } from './mistake-list.ts';
import { expectedOneOf } from './nearest.ts';

export interface ConnectionList {
  readonly connections: readonly ConnectionSettings[];
  readonly types: readonly AnyConnectionType[];
  readonly mistakes: MistakeList;
}

/** A section of the file that means a cluster. */
interface ClusterUser {
  /** What it names under `connection`. */
  readonly named: string | undefined;
  /** Where the section stands. */
  readonly pointer: string;
  /** It has no other way to a cluster than a connection. */
  readonly isRequired: boolean;
}

/**
 * The name of the connection to a cluster that a section means: the one that it names, else the only one or the default
 * one. Undefined where there is none, and where a mistake was added.
 */
export function clusterConnection(
  { named, pointer, isRequired }: ClusterUser,
  { connections, types, mistakes }: ConnectionList,
): string | undefined {
  const clusterTypes = types.filter(({ family }) => family === 'kubernetes').map(({ type }) => type);
  const clusters = connections.filter(({ type }) => clusterTypes.includes(type));
  const names = clusters.map(({ name }) => name);
  if (named !== undefined) {
    if (names.includes(named)) return named;
    mistakes.add(`${pointer}/connection`, refusalOf(named, names, connections));
    return undefined;
  }
  const chosen = clusters.length === 1 ? clusters[0] : clusters.find(({ isDefault }) => isDefault);
  if (chosen === undefined && clusters.length > 1) {
    mistakes.add(pointer, `expected connection to name one of ${names.join(', ')}, since none of them is the default`);
  }
  if (chosen === undefined && clusters.length === 0 && isRequired) {
    mistakes.add(pointer, 'expected a connection to a cluster under connections, found none');
  }
  return chosen?.name;
}

function refusalOf(named: string, names: readonly string[], connections: readonly ConnectionSettings[]): string {
  const other = connections.find(({ name }) => name === named);
  if (other !== undefined) {
    return `expected a connection to a cluster, found ${JSON.stringify(named)}, which is of type ${other.type} (${other.place})`;
  }
  if (names.length > 0) return expectedOneOf(names, named);
  return `expected a connection to a cluster, found ${JSON.stringify(named)}, but connections has none to a cluster`;
}
