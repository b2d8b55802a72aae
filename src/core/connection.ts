import type { Static, TObject, TProperties } from '@sinclair/typebox';
import type { Logger } from 'pino';
import type { Json } from './json.ts';
import type { Release } from './signal.ts';
import type { Clock } from './time.ts';

export type Family = 'github' | 'cdn' | 'kubernetes';

/** A file that holds a secret: read when needed, trimmed, and read again when it changes. */
export interface Credential {
  /** For messages; never the content. */
  readonly path: string;
  /** The content without surrounding white space. Throws with the path when it cannot be read or is empty. */
  read(): Promise<string>;
}

/** What a provider gets from outside; tests give their own. */
export interface ProviderTools {
  readonly fetch: HttpFetch;
  readonly clock: Clock;
  readonly log: Logger;
  credential(path: string): Credential;
}

/** What opening one connection gets. */
export interface ConnectionTools extends ProviderTools {
  /** The first part of its signals' keys: its name in the configuration, or that of a team's own behind its namespace. */
  readonly connectionName: string;
}

export interface HttpRequest {
  readonly method: string;
  readonly url: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For connecting, headers and body together. */
  readonly timeoutMs: number;
  /** Longer answers are an error. Default 1 MiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** Redirects are not followed: a POST that is repeated at another place is not the write that was journaled. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The one way out. Throws HttpError, whose `sent` says whether any byte may have reached the server. */
export type HttpFetch = (request: HttpRequest) => Promise<HttpAnswer>;

/** No usable answer. `sent: false` is certain: name not found, connection refused, TLS not agreed. */
export class HttpError extends Error {
  readonly sent: boolean;
  readonly code: string;

  constructor(message: string, details: { sent: boolean; code: string; cause?: unknown }) {
    super(message, { cause: details.cause });
    this.name = 'HttpError';
    this.sent = details.sent;
    this.code = details.code;
  }
}

/**
 * A kind of provider account. `options` are its own keys in the configuration (beside name, type, owner, allow, default),
 * `allow` the lists that its policy knows beside `namespaces`. Credentials are options whose names end in `File`.
 */
export interface ConnectionType<O extends TProperties = TProperties, C = unknown> {
  readonly type: string;
  readonly family: Family;
  readonly options: TObject<O>;
  readonly allow: readonly string[];
  /** What a list holds where the configuration leaves it out. A list without an entry here then restricts nothing. */
  readonly allowByDefault?: Readonly<Record<string, readonly string[]>>;
  /** The addon's config templates for it. With some, a team may keep one of its own in its namespace. */
  readonly templates?: readonly string[];
  open(options: Static<TObject<O>>, tools: ConnectionTools): C;
  /** Makes what lies behind the connection a source of signals: `<type>:<connection's name>/<key>`; see SignalSource. */
  subscribe?(client: C, key: string, raise: () => void): Release;
  /** See SignalSource. */
  wake?(client: C, key: string): void;
  /** Lets go of what the client holds open, when the process ends. */
  close?(client: C): Promise<void>;
}

/** A configured connection. */
export interface ConnectionSettings {
  readonly name: string;
  readonly type: string;
  readonly owner?: string;
  /** Glob patterns by list name; `namespaces` always stands. */
  readonly allow: Readonly<Record<string, readonly string[]>>;
  readonly isDefault: boolean;
  readonly options: Readonly<Record<string, Json>>;
  /** Where it was read, for messages: `aftersync.yaml:12`. */
  readonly place: string;
}

export type AnyConnectionType = ConnectionType<TProperties, unknown>;

export function defineConnectionType<O extends TProperties, C>(type: ConnectionType<O, C>): ConnectionType<O, C> {
  return type;
}
