import type { AnyConnectionType, ConnectionSettings, Family, ProviderTools } from '../core/connection.ts';
import { Rejected } from '../core/effect.ts';
import { matchesGlob } from '../core/glob.ts';
import { Problem } from '../core/problem.ts';
import type { Release, SignalSource } from '../core/signal.ts';
import type { ConnectionUse } from '../core/step.ts';

export interface ConnectionsOptions {
  readonly settings: readonly ConnectionSettings[];
  readonly types: readonly AnyConnectionType[];
  readonly tools: ProviderTools;
}

/** The configured provider accounts: which one a step means, whether it may use it, and its client. */
export class Connections {
  readonly #settings: readonly ConnectionSettings[];
  readonly #types: ReadonlyMap<string, AnyConnectionType>;
  readonly #tools: ProviderTools;
  readonly #clients = new Map<string, unknown>();

  constructor({ settings, types, tools }: ConnectionsOptions) {
    this.#settings = settings;
    this.#types = new Map(types.map((type) => [type.type, type]));
    this.#tools = tools;
  }

  /** Problem `unknown-connection`, with what there is instead, where the use names none that exists. */
  assertKnown(use: ConnectionUse): void {
    this.#named(use, (detail) => new Problem('unknown-connection', detail));
  }

  /** Rejected as Denied names the rule, the value, what is allowed and whom to ask. */
  async permit(use: ConnectionUse, namespace: string): Promise<void> {
    const connection = this.#named(use, (detail) => new Rejected('ConnectionFailed', detail));
    const claims = { namespaces: [namespace], ...use.claims };
    for (const [list, values] of Object.entries(claims)) {
      const allowed = connection.allow[list];
      if (allowed === undefined) continue;
      const refused = values.find((value) => !allowed.some((glob) => matchesGlob(glob, value)));
      if (refused !== undefined) throw new Rejected('Denied', denial(connection, list, refused, allowed));
    }
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
    await this.permit(use, namespace);
    return this.#client(this.#named(use, (detail) => new Rejected('ConnectionFailed', detail)));
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
    await Promise.all(closing);
  }

  #subscribe(type: AnyConnectionType, key: string, raise: () => void): Release {
    const slash = key.indexOf('/');
    const connection = this.#settings.find(({ name }) => name === key.slice(0, slash));
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

  #client(connection: ConnectionSettings): unknown {
    const { name, options } = connection;
    if (!this.#clients.has(name)) {
      const type = this.#types.get(connection.type);
      if (type === undefined) throw new Error(`no connection type ${connection.type}`);
      const tools = { ...this.#tools, connectionName: name, log: this.#tools.log.child({ connection: name }) };
      // The configuration has checked the options against the type's own schema.
      this.#clients.set(name, type.open(options as never, tools));
    }
    return this.#clients.get(name);
  }

  #named(use: ConnectionUse, refusal: (detail: string) => Error): ConnectionSettings {
    const candidates = this.#ofFamily(use.family);
    const names = candidates.map(({ name }) => name).join(', ');
    if (use.name !== undefined) {
      const named = candidates.find(({ name }) => name === use.name);
      if (named !== undefined) return named;
      throw refusal(
        candidates.length === 0
          ? `no ${use.family} connection is configured, so there is none named ${use.name}`
          : `there is no ${use.family} connection named ${use.name}; there are: ${names}`,
      );
    }
    const [only] = candidates;
    const chosen = candidates.length === 1 ? only : candidates.find(({ isDefault }) => isDefault);
    if (chosen !== undefined) return chosen;
    throw refusal(
      candidates.length === 0
        ? `no ${use.family} connection is configured; add one under connections in the configuration`
        : `several ${use.family} connections are configured and none is the default; name one of: ${names}`,
    );
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
