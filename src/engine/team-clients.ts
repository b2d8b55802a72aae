import type { AnyConnectionType, ConnectionTools, ProviderTools } from '../core/connection.ts';
import { Rejected } from '../core/effect.ts';
import { LruMap } from '../core/lru-map.ts';
import type { Release } from '../core/signal.ts';
import type { TeamConnection, TeamConnections } from '../core/team-connections.ts';

/** Beyond these, of the clients that nobody waits at, the ones not used for longest are closed. */
const mostIdle = 1_000;

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
  /** Absent: at no client now. */
  release?: Release | undefined;
}

/**
 * The clients of connections that teams bring themselves. One lasts for as long as its options stay what they are, since
 * it holds what it knows of limits and of what was sent. Who waits at one waits at the next one too, or looks again.
 */
export class TeamClients {
  readonly #tools: ProviderTools;
  readonly #teams: TeamConnections;
  /** Where somebody waits. They are never closed to make room: who waits would open them again at once. */
  readonly #awaited = new Map<string, Opened>();
  readonly #idle: LruMap<string, Opened>;
  /** By the name of a client, which may not be open yet. */
  readonly #subscriptions = new Map<string, Set<Subscription>>();

  constructor(tools: ProviderTools, teams: TeamConnections, capacity: number = mostIdle) {
    this.#tools = tools;
    this.#teams = teams;
    this.#idle = new LruMap(capacity, (name, opened) => this.#close(name, opened));
  }

  open(connection: TeamConnection, type: AnyConnectionType): unknown {
    // No name in the configuration has a colon, and no key of a signal begins before a slash.
    const name = `${connection.namespace}:${connection.name}`;
    const options = JSON.stringify([type.type, connection.options]);
    const there = this.#find(name);
    if (there?.options === options) return there.client;
    const log = this.#tools.log.child({ connection: name });
    const tools = { ...this.#tools, ...this.#teams.tools(connection), connectionName: name, log };
    // A mistake in new options leaves the old client as it is, for they may be taken back.
    const client = this.#make(connection, type, tools);
    this.#keep(name, { type, options, client });
    for (const subscription of this.#subscriptions.get(name) ?? []) this.#move(subscription, { type, client });
    if (there !== undefined) this.#close(name, there);
    return client;
  }

  subscribe(type: AnyConnectionType, name: string, key: string, raise: () => void): Release {
    const subscription: Subscription = { type, key, raise };
    const all = this.#subscriptions.get(name) ?? new Set();
    this.#subscriptions.set(name, all.add(subscription));
    const opened = this.#find(name);
    // The step opens it when it looks.
    if (opened === undefined) raise();
    else {
      this.#keep(name, opened);
      this.#move(subscription, opened);
    }
    return () => this.#unsubscribe(name, subscription);
  }

  async close(): Promise<void> {
    const all = [...this.#awaited.values(), ...this.#idle.values()];
    await Promise.all(all.map(({ type, client }) => type.close?.(client)));
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

  #find(name: string): Opened | undefined {
    return this.#awaited.get(name) ?? this.#idle.get(name);
  }

  /** Among those where somebody waits, or else the idle ones. */
  #keep(name: string, opened: Opened): void {
    this.#awaited.delete(name);
    this.#idle.delete(name);
    if (this.#subscriptions.has(name)) this.#awaited.set(name, opened);
    else this.#idle.set(name, opened);
  }

  #unsubscribe(name: string, subscription: Subscription): void {
    subscription.release?.();
    const all = this.#subscriptions.get(name);
    if (all?.delete(subscription) !== true || all.size > 0) return;
    this.#subscriptions.delete(name);
    const opened = this.#awaited.get(name);
    if (opened !== undefined) this.#keep(name, opened);
  }

  /** To a client, from the one that it is at. */
  #move(subscription: Subscription, { type, client }: Pick<Opened, 'type' | 'client'>): void {
    const { key, raise, release } = subscription;
    release?.();
    const isSameType = type === subscription.type;
    subscription.release = isSameType ? type.subscribe?.(client, key, raise) : undefined;
    // The step finds out what it is by now.
    if (!isSameType) raise();
  }

  #close(name: string, { type, client }: Opened): void {
    type
      .close?.(client)
      .catch((err: unknown) => this.#tools.log.warn({ err, connection: name }, 'could not be closed'));
  }
}
