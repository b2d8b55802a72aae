import type { AnyConnectionType, ConnectionSettings, Family, ProviderTools } from '../core/connection.ts';
import { Rejected } from '../core/effect.ts';
import { matchesAnyGlob } from '../core/glob.ts';
import { Problem } from '../core/problem.ts';
import type { Release, SignalSource } from '../core/signal.ts';
import type { ConnectionUse } from '../core/step.ts';
import type { TeamConnection, TeamConnections } from '../core/team-connections.ts';
import { meantConnection } from './meant-connection.ts';
import { TeamClients } from './team-clients.ts';

export interface ConnectionsOptions {
  readonly settings: readonly ConnectionSettings[];
  readonly types: readonly AnyConnectionType[];
  readonly tools: ProviderTools;
  /** Absent: only what is configured is there. */
  readonly teams?: TeamConnections | undefined;
}

/** Provider accounts, configured or a namespace's own: which one a step means, whether it may use it, and its client. */
export class Connections {
  readonly #settings: readonly ConnectionSettings[];
  readonly #types: ReadonlyMap<string, AnyConnectionType>;
  readonly #tools: ProviderTools;
  readonly #clients = new Map<string, unknown>();
  readonly #teams: TeamConnections | undefined;
  readonly #teamClients: TeamClients | undefined;

  constructor({ settings, types, tools, teams }: ConnectionsOptions) {
    this.#settings = settings;
    this.#types = new Map(types.map((type) => [type.type, type]));
    this.#tools = tools;
    this.#teams = teams;
    this.#teamClients = teams && new TeamClients(tools, teams);
  }

  /**
   * Problem `unknown-connection`, with what there is instead, where the use names none that exists. Whether a namespace
   * brings one itself takes asking, so that only `permit` tells.
   */
  assertKnown(use: ConnectionUse, namespace: string): void {
    const templates = this.#teamTemplates(use.family);
    if (templates.length > 0) return;
    const meant = meantConnection(use, { configured: this.#ofFamily(use.family), own: [], namespace, templates });
    if (typeof meant === 'string') throw new Problem('unknown-connection', meant);
  }

  /** Rejected as ConnectionFailed where there is none, as Denied with rule, value, what is allowed and whom to ask. */
  async permit(use: ConnectionUse, namespace: string): Promise<void> {
    await this.#permitted(use, namespace);
  }

  /** What a step's context opens connections with: only those that the step has declared, with its later claims added. */
  opener(by: { readonly user: string; readonly uses: readonly ConnectionUse[]; readonly namespace: string }) {
    return async <C>(family: Family, claims: ConnectionUse['claims'] = {}): Promise<C> => {
      const use = by.uses.find((each) => each.family === family);
      if (use === undefined) throw new Error(`${by.user} opens a ${family} connection that it does not declare`);
      return (await this.open({ ...use, claims: { ...use.claims, ...claims } }, by.namespace)) as C;
    };
  }

  /** The client of the connection, made at its first use. Permits first. */
  async open(use: ConnectionUse, namespace: string): Promise<unknown> {
    return this.#client(await this.#permitted(use, namespace));
  }

  /** One source of signals for each type whose connections can be waited on. */
  sources(): SignalSource[] {
    return [...this.#types.values()]
      .filter((type) => type.subscribe !== undefined)
      .map((type) => ({
        prefix: type.type,
        subscribe: (key, raise) => this.#subscribe(type, key, raise),
        wake: (key) => this.#wake(type, key),
      }));
  }

  async close(): Promise<void> {
    const closing = this.#settings.map(async ({ name, type }) => {
      const client = this.#clients.get(name);
      if (client !== undefined) await this.#types.get(type)?.close?.(client);
    });
    await Promise.all([...closing, this.#teamClients?.close()]);
  }

  #subscribe(type: AnyConnectionType, key: string, raise: () => void): Release {
    const slash = key.indexOf('/');
    const name = key.slice(0, slash);
    if (name.includes(':') && this.#teamClients !== undefined) {
      return this.#teamClients.subscribe(type, name, key.slice(slash + 1), raise);
    }
    const connection = this.#settings.find((configured) => configured.name === name);
    if (connection?.type === type.type && type.subscribe !== undefined) {
      return type.subscribe(this.#client(connection), key.slice(slash + 1), raise);
    }
    // It was configured when this was stored. The step finds out for itself, and can say so.
    raise();
    return () => {};
  }

  #wake(type: AnyConnectionType, key: string): void {
    const slash = key.indexOf('/');
    const connection = this.#settings.find(({ name }) => name === key.slice(0, slash));
    if (connection?.type === type.type) type.wake?.(this.#client(connection), key.slice(slash + 1));
  }

  #client(connection: ConnectionSettings | TeamConnection): unknown {
    const { name, options } = connection;
    const type = this.#types.get(connection.type);
    if (type === undefined) throw new Error(`no connection type ${connection.type}`);
    if ('namespace' in connection) return this.#teamClients?.open(connection, type);
    if (!this.#clients.has(name)) {
      const tools = { ...this.#tools, connectionName: name, log: this.#tools.log.child({ connection: name }) };
      // The configuration has checked the options against the type's own schema.
      this.#clients.set(name, type.open(options as never, tools));
    }
    return this.#clients.get(name);
  }

  async #permitted(use: ConnectionUse, namespace: string): Promise<ConnectionSettings | TeamConnection> {
    const connection = await this.#meant(use, namespace);
    const claims = { namespaces: [namespace], ...use.claims };
    for (const [list, values] of Object.entries(claims)) {
      const allowed = connection.allow[list];
      if (allowed === undefined) continue;
      const refused = values.find((value) => !matchesAnyGlob(allowed, value));
      if (refused !== undefined) throw new Rejected('Denied', denial(connection, list, refused, allowed));
    }
    return connection;
  }

  async #meant(use: ConnectionUse, namespace: string): Promise<ConnectionSettings | TeamConnection> {
    const templates = this.#teamTemplates(use.family);
    const all = templates.length === 0 ? [] : ((await this.#teams?.of(namespace)) ?? []);
    const own = all.filter(({ type }) => this.#types.get(type)?.family === use.family);
    const meant = meantConnection(use, { configured: this.#ofFamily(use.family), own, namespace, templates });
    if (typeof meant === 'string') throw new Rejected('ConnectionFailed', meant);
    if ('mistake' in meant) {
      throw new Rejected('ConnectionFailed', `connection ${meant.name} cannot be used: ${meant.mistake}`);
    }
    return meant;
  }

  /** By which a namespace brings a connection of the family itself; none where it cannot. */
  #teamTemplates(family: Family): readonly string[] {
    if (this.#teams === undefined) return [];
    return [...this.#types.values()].flatMap((type) => (type.family === family ? (type.templates ?? []) : []));
  }

  #ofFamily(family: Family): readonly ConnectionSettings[] {
    return this.#settings.filter(({ type }) => this.#types.get(type)?.family === family);
  }
}

function denial(connection: ConnectionSettings, list: string, value: string, allowed: readonly string[]): string {
  const owner = connection.owner === undefined ? 'its owner' : connection.owner;
  const rule = `connection ${connection.name} (${connection.place}) allows the ${list} ${allowed.join(', ') || '(none)'}`;
  return `${rule}, not ${value}; ask ${owner}`;
}
