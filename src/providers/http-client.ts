import { AsyncLocalStorage } from 'node:async_hooks';
import type { Agent, Dispatcher } from 'undici';
import { type HttpAnswer, HttpError, type HttpFetch, type HttpRequest } from '../core/connection.ts';
import { NotSent, Rejected } from '../core/effect.ts';
import { type AddressGuard, operatorAddresses } from './address-guard.ts';

const defaultMaxBytes = 1024 * 1024;

/** The codes of HttpErrors that begin here; all others are those of Node and undici (ECONNREFUSED, UND_ERR_SOCKET, …). */
export const httpErrorCodes = {
  timeout: 'TIMEOUT',
  tooLarge: 'ANSWER_TOO_LARGE',
  aborted: 'ABORTED',
  /** Cannot be written, such as a header with a line break. */
  invalidRequest: 'INVALID_REQUEST',
  /** Link-local or metadata; or private, where a user named it. */
  forbiddenAddress: 'FORBIDDEN_ADDRESS',
  /** This process may not speak for its executions any more. */
  notAllowedNow: 'NOT_ALLOWED_NOW',
} as const;

/** What would be refused each time, so that nothing is gained by trying it again. */
const hopelessCodes: readonly string[] = [httpErrorCodes.invalidRequest, httpErrorCodes.forbiddenAddress];

/** Says of a failed exchange what is certain: that nothing was sent, or that it never can be. Else it is the error itself. */
export function withFate(error: unknown, toMessage = ({ message }: HttpError) => message): unknown {
  if (!(error instanceof HttpError) || error.sent) return error;
  return hopelessCodes.includes(error.code)
    ? new Rejected('ConnectionFailed', toMessage(error), { cause: error })
    : new NotSent(toMessage(error), { cause: error });
}

export interface HttpClientOptions {
  /** Sent with every request that has no user-agent of its own. */
  readonly userAgent: string;
  readonly connectTimeoutMs?: number;
  /** Further requests to one origin wait for a free connection; the wait counts as part of their timeout. */
  readonly connectionsPerOrigin?: number;
  /**
   * Asked once connected, right before the first byte, in the asynchronous context of the request. False: it is not sent.
   * Default: always true.
   */
  readonly maySend?: () => boolean;
  /** Default: those that an operator may name. */
  readonly addresses?: AddressGuard;
}

export interface HttpClient {
  readonly fetch: HttpFetch;
  /** Ends once the requests under way have been answered. */
  close(): Promise<void>;
}

/**
 * The one way out. HTTP/1.1 only: undici sends requests of a closing HTTP/2 session again on its own, and nobody but
 * the engine may repeat a write.
 */
export function createHttpFetch(options: HttpClientOptions): HttpClient {
  // Opened by the first request: a server that starts need not wait for undici to load.
  let agent: Promise<Agent> | undefined;
  return {
    async fetch(request) {
      agent ??= openAgent(options);
      const opened = await agent;
      return await new Promise((resolve, reject) => {
        new Exchange(request, resolve, reject).start(opened, options);
      });
    },
    async close() {
      await (await agent)?.close();
    },
  };
}

async function openAgent({
  connectionsPerOrigin = 64,
  connectTimeoutMs = 10_000,
  addresses = operatorAddresses,
}: HttpClientOptions): Promise<Agent> {
  const { Agent } = await import('undici');
  return new Agent({
    allowH2: false,
    connections: connectionsPerOrigin,
    // One time limit for the whole exchange replaces undici's own for headers and body.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: connectTimeoutMs, lookup: addresses.lookup },
  });
}

/**
 * One request and its answer. It is a dispatch handler of undici because only there can be seen whether the first byte
 * was handed to a socket: onRequestStart comes right before it, and aborting there sends nothing.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: HttpRequest;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: HttpError) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #status = 0;
  #headers: Record<string, string> = {};
  #maySend = () => true;
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(request: HttpRequest, resolve: (answer: HttpAnswer) => void, reject: (error: HttpError) => void) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(agent: Agent, { userAgent, maySend = () => true, addresses = operatorAddresses }: HttpClientOptions): void {
    this.#maySend = AsyncLocalStorage.bind(maySend);
    const { method, headers = {}, body, timeoutMs, signal } = this.#request;
    try {
      const url = URL.parse(String(this.#request.url));
      // Not `new URL`: its error holds the text, and with it what secret stands there.
      if (url === null) throw new Error('not a URL');
      addresses.assertAllowed(url.hostname);
      const named = Object.keys(headers).some((name) => name.toLowerCase() === 'user-agent');
      this.#timer = setTimeout(() => this.#fail(httpErrorCodes.timeout, `no answer within ${timeoutMs} ms`), timeoutMs);
      signal?.addEventListener('abort', this.#onAbort);
      signal?.throwIfAborted();
      agent.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: method as Dispatcher.HttpMethod,
          headers: named ? headers : { ...headers, 'user-agent': userAgent },
          body: body ?? null,
          // Never sent twice by undici, not even a GET.
          idempotent: false,
        },
        this,
      );
    } catch (error) {
      if (signal?.aborted) this.#onAbort();
      else this.#fail(codeOf(error) ?? httpErrorCodes.invalidRequest, messageOf(error), error);
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (!this.#maySend()) this.#fail(httpErrorCodes.notAllowedNow, 'not sent: the lease of this process has lapsed');
    // Already given up as certainly not sent: this keeps the promise.
    if (this.#settled) controller.abort(new Error('given up before it was sent'));
    else this.#controller = controller;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.#headers[name] = this.#redact(Array.isArray(value) ? value.join(', ') : value);
    }
    // The length that is announced spares reading up to the limit.
    if (this.#request.method !== 'HEAD') this.#refuseOver(Number(this.#headers['content-length'] ?? 0), controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return;
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
    this.#refuseOver(this.#bytes, controller);
  }

  onResponseEnd(): void {
    if (!this.#settle()) return;
    const text = this.#redact(Buffer.concat(this.#chunks).toString('utf8'));
    this.#resolve({ status: this.#status, headers: this.#headers, text });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(codeOf(error) ?? 'UNKNOWN', messageOf(error), error);
  }

  readonly #onAbort = (): void => this.#fail(httpErrorCodes.aborted, 'aborted');

  #refuseOver(bytes: number, controller: Dispatcher.DispatchController): void {
    const maxBytes = this.#request.maxBytes ?? defaultMaxBytes;
    if (bytes <= maxBytes) return;
    this.#fail(httpErrorCodes.tooLarge, `the answer (status ${this.#status}) is over ${maxBytes} bytes`);
    controller.abort(new Error('the answer is too large'));
  }

  /** Some servers quote the credential that they refuse; it must not get into messages, which are stored and shown. */
  #redact(text: string): string {
    return secretsIn(this.#request).reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
  }

  #fail(code: string, message: string, cause?: unknown): void {
    if (!this.#settle()) return;
    const sent = this.#controller !== undefined;
    this.#reject(new HttpError(`${describe(this.#request)}: ${message}`, { sent, code, cause }));
    this.#controller?.abort(new Error(message));
  }

  /** False when it was settled before. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

/** A shorter credential may be a part of common words, and no provider gives one out. */
const shortestSecret = 8;

const secretHeaders: readonly string[] = ['authorization', 'fastly-key', 'x-amz-security-token'];

/** The credentials, where there is a scheme behind it: `Authorization: Bearer <it>`. */
function secretsIn({ headers = {} }: HttpRequest): string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const secret = secretHeaders.includes(name.toLowerCase()) ? value.split(' ').at(-1) : undefined;
    return secret !== undefined && secret.length >= shortestSecret ? [secret] : [];
  });
}

/** Method and place without user information and query, either of which may hold a secret. */
function describe({ method, url }: HttpRequest): string {
  const parsed = URL.parse(String(url));
  return parsed === null ? `${method} of a place` : `${method} ${parsed.origin}${parsed.pathname}`;
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  // What undici refuses to send at all (a header with a line break, say) is the caller's mistake.
  return error.code === 'UND_ERR_INVALID_ARG' ? httpErrorCodes.invalidRequest : error.code;
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // An AggregateError of several refused addresses has no message of its own.
  return error.message || (codeOf(error) ?? error.name);
}
