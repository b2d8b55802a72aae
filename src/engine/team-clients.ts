import type { AnyConnectionType, ConnectionTools, ProviderTools } from '../core/connection.ts';
import { Rejected } from '../core/effect.ts';
import { LruMap } from '../core/lru-map.ts';
import type { Release } from '../core/signal.ts';
import type { TeamConnection, TeamConnections } from '../core/team-connections.ts';

/** Beyond these the ones not used for longest are closed; who waits at one opens it again. */
const mostClients = 1_000;

interface Opened {
  readonly type: AnyConnectionType;
  /** What it was opened with. */
  readonly options: string;
  readonly client: unknown;
}

interface Subscription {
  readonly type: AnyConnectionType;
  readonly key: string;
  readonly raise: () => void;
  /** Absent: not at a client now. */
  release?: Release | undefined;
}

/**
 * The clients of connections that teams bring themselves. One lasts for as long as its options stay what they are, since
 * it holds what it knows of limits and of what was sent. Who waits at one waits at the next one too, or looks again.
 */
export class TeamClients {
  readonly #tools: ProviderTools;
  readonly #teams: TeamConnections;
  readonly #opened: LruMap<string, Opened>;
  /** By the name of a client, which may not be open yet. */
  readonly #subscriptions = new Map<string, Set<Subscription>>();

  constructor(tools: ProviderTools, teams: TeamConnections, capacity: number = mostClients) {
    this.#tools = tools;
    this.#teams = teams;
    this.#opened = new LruMap(capacity, (name, opened) => this.#close(name, opened));
  }

  open(connection: TeamConnection, type: AnyConnectionType): unknown {
    // No name in the configuration has a colon, and no key of a signal begins before a slash.
    const name = `${connection.namespace}:${connection.name}`;
    const options = JSON.stringify([type.type, connection.options]);
    const there = this.#opened.get(name);
    if (there?.options === options) return there.client;
    const log = this.#tools.log.child({ connection: name });
    const tools = { ...this.#tools, ...this.#teams.tools(connection), connectionName: name, log };
    // A mistake in new options leaves the old client as it is, for they may be taken back.
    const client = this.#make(connection, type, tools);
    if (there !== undefined) this.#close(name, there);
    this.#opened.set(name, { type, options, client });
    for (const subscription of this.#subscriptions.get(name) ?? []) this.#attach(subscription, { type, client });
    return client;
  }

  subscribe(type: AnyConnectionType, name: string, key: string, raise: () => void): Release {
    const subscription: Subscription = { type, key, raise };
    const all = this.#subscriptions.get(name) ?? new Set();
    this.#subscriptions.set(name, all.add(subscription));
    const opened = this.#opened.get(name);
    // The step opens it when it looks.
    if (opened === undefined) raise();
    else this.#attach(subscription, opened);
    return () => {
      subscription.release?.();
      all.delete(subscription);
      if (all.size === 0 && this.#subscriptions.get(name) === all) this.#subscriptions.delete(name);
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened.values()].map(({ type, client }) => type.close?.(client)));
  }

  /** Options that the type's schema lets through may be none after all, such as an address with an odd port. */
  #make(connection: TeamConnection, type: AnyConnectionType, tools: ConnectionTools): unknown {
    try {
      return type.open(connection.options as never, tools);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `connection ${connection.name} (${connection.place}) cannot be used: ${why}`;
      throw new Rejected('ConnectionFailed', message, { cause });
    }
  }

  #attach(subscription: Subscription, { type, client }: Pick<Opened, 'type' | 'client'>): void {
    const { key, raise } = subscription;
    if (type === subscription.type) subscription.release = type.subscribe?.(client, key, raise);
    // The step finds out what it is by now.
    else raise();
  }

  #close(name: string, { type, client }: Opened): void {
    for (const subscription of this.#subscriptions.get(name) ?? []) {
      subscription.release?.();
      subscription.release = undefined;
      subscription.raise();
    }
    type
      .close?.(client)
      .catch((err: unknown) => this.#tools.log.warn({ err, connection: name }, 'could not be closed'));
  }
}
