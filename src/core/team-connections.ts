import type { ConnectionSettings, ProviderTools } from './connection.ts';

/** A connection that a team keeps in a namespace of its own, for that one alone. */
export interface TeamConnection extends ConnectionSettings {
  readonly namespace: string;
  /** Why it cannot be used; absent: it can. */
  readonly mistake?: string;
}

/** Where such connections are found. */
export interface TeamConnections {
  /** As they stand there now, or stood there a moment ago. Throws NotSent where that cannot be found out. */
  of(namespace: string): Promise<readonly TeamConnection[]>;
  /** What its client gets in place of the operator's: users name its addresses, and its credentials are its own. */
  tools(connection: TeamConnection): Pick<ProviderTools, 'fetch' | 'credential'>;
}

/** A Secret that is labelled as a config of one of our templates. */
export interface ConfigSecret {
  readonly name: string;
  readonly template: string;
  /** By key, without surrounding white space. */
  readonly values: ReadonlyMap<string, string>;
}

/** For people: the text of a Secret's key, such as a credential. */
export function secretPlace(namespace: string, name: string, key: string): string {
  return `Secret ${namespace}/${name}, key ${key}`;
}
