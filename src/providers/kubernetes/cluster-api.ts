import type { Dispatcher } from 'undici';
import { NotSent, Rejected } from '../../core/effect.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import type { Clock } from '../../core/time.ts';
import { type ClusterAccess, loadClient, type Undici } from './cluster-access.ts';

/** A page of 500 large objects; one object is at most 3 MB. */
const defaultMaxBytes = 64 * 1024 * 1024;
const longestQuote = 300;

export interface ApiAnswer {
  readonly status: number;
  /** Parsed where it is JSON, else undefined. */
  readonly body: unknown;
  readonly text: string;
  readonly retryAfterSeconds: number | undefined;
}

/** What a request is for, so that a refusal can say what to grant. */
export interface Purpose {
  /** Completes "may not …": `get deployments.apps "web" in namespace shop`. */
  readonly act: string;
  /** `get, list and watch on deployments.apps in namespace shop` */
  readonly grant: string;
  /** Whose right it is about. Default: the connection's own account. */
  readonly account?: string;
}

export interface ClusterApiOptions {
  readonly access: ClusterAccess;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
}

/** A write, or a read that is asked with a body. PATCH is JSON Patch (RFC 6902). */
export interface ApiWrite {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: Json;
  readonly signal?: AbortSignal;
}

interface Sending {
  readonly method?: ApiWrite['method'];
  readonly body?: Json | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly accept?: string | undefined;
  readonly account?: string | undefined;
  readonly maxBytes?: number;
}

export interface GetOptions {
  readonly signal?: AbortSignal | undefined;
  readonly accept?: string;
  /** The user to read as, in place of our own account. */
  readonly account?: string | undefined;
  /** Longer answers are an error. */
  readonly maxBytes?: number;
}

/** The cause of the NotSent where an answer is over `maxBytes`. */
export class AnswerTooLong extends Error {
  constructor(maxBytes: number) {
    super(`the answer is over ${maxBytes} bytes`);
    this.name = 'AnswerTooLong';
  }
}

/**
 * One cluster's API. What got no answer throws NotSent: reads, and the few writes here, may all be repeated. Whatever was
 * answered comes back.
 */
export class ClusterApi {
  readonly #options: ClusterApiOptions;

  constructor(options: ClusterApiOptions) {
    this.#options = options;
  }

  async get(path: string, options: GetOptions = {}): Promise<ApiAnswer> {
    return await this.#ask(path, options);
  }

  /** Only for writes whose repeat does no harm: no answer does not mean that nothing was written. */
  async write({ path, ...write }: ApiWrite): Promise<ApiAnswer> {
    return await this.#ask(path, write);
  }

  /** The body of a watch, which ends when the signal is aborted; an answer where it was refused. */
  async open(path: string, signal: AbortSignal): Promise<AsyncIterable<Buffer> | ApiAnswer> {
    const { undici } = await loadClient();
    const opening = new AbortController();
    // Only for the head of the answer: the body may go on for as long as it likes.
    const cancel = this.#after(this.#options.requestTimeoutMs, () => opening.abort(new Error('no answer in time')));
    try {
      const signals = AbortSignal.any([signal, opening.signal]);
      let answer = await this.#send(undici, path, { signal: signals });
      if (answer.statusCode === 401 && this.#options.access.renew()) {
        await answer.body.dump();
        answer = await this.#send(undici, path, { signal: signals });
      }
      return answer.statusCode === 200 ? answer.body : await toAnswer(answer);
    } catch (error) {
      throw unreachable(error);
    } finally {
      cancel();
    }
  }

  /** What an answer other than 2xx means for who asked. */
  refusal(answer: ApiAnswer, { act, grant, account }: Purpose): Error {
    const { status, retryAfterSeconds } = answer;
    const said = wordsIn(answer);
    const { description } = this.#options.access;
    switch (status) {
      case 401:
        return new Rejected('ConnectionFailed', `the cluster refuses the credential of ${description} (401 ${said})`);
      case 403:
        return new Rejected(
          'ConnectionFailed',
          `${account ?? 'the connection'} may not ${act}: grant ${account === undefined ? 'its account' : 'it'} ${grant} (403 ${said})`,
        );
      case 429: {
        const { clock } = this.#options;
        const notBefore = clock.now() + (retryAfterSeconds ?? 1) * 1_000;
        return new NotSent('the cluster asks to come back later (429)', { notBefore });
      }
      default:
        return new Error(`the cluster gave no usable answer when asked to ${act} (${status} ${said})`);
    }
  }

  async #ask(path: string, sending: Sending): Promise<ApiAnswer> {
    const first = await this.#askOnce(path, sending);
    return first.status === 401 && this.#options.access.renew() ? await this.#askOnce(path, sending) : first;
  }

  async #askOnce(path: string, sending: Sending): Promise<ApiAnswer> {
    // Before its time counts.
    const { undici } = await loadClient();
    const limit = AbortSignal.timeout(this.#options.requestTimeoutMs);
    const signal = sending.signal === undefined ? limit : AbortSignal.any([sending.signal, limit]);
    try {
      return await toAnswer(await this.#send(undici, path, { ...sending, signal }), sending.maxBytes);
    } catch (error) {
      throw unreachable(error);
    }
  }

  async #send(
    { request }: Undici,
    path: string,
    { method, body, signal, accept = 'application/json', account }: Sending & { readonly signal: AbortSignal },
  ): Promise<Dispatcher.ResponseData> {
    const { server, dispatcher, headers } = await unlessAborted(this.#options.access.current(), signal);
    const type = method === 'PATCH' ? 'application/json-patch+json' : 'application/json';
    const answered = request(server + path, {
      dispatcher,
      signal,
      ...(method === undefined ? {} : { method }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: {
        ...headers,
        accept,
        'user-agent': 'aftersync',
        ...(account === undefined ? {} : { 'impersonate-user': account }),
        ...(body === undefined ? {} : { 'content-type': type }),
      },
    });
    // undici looks at the signal once it is connected, which may take longer.
    return await unlessAborted(answered, signal);
  }

  #after(delayMs: number, callback: () => void): () => void {
    const { clock } = this.#options;
    return clock.at(clock.now() + delayMs, callback);
  }
}

/** What hangs must not hang who asked: the answer of a plug-in is of use to the next one at the earliest. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What the cluster says of an answer that is no success. */
export function wordsIn({ body, text }: Pick<ApiAnswer, 'body' | 'text'>): string {
  return isJsonObject(body) && typeof body.message === 'string' ? body.message : text.slice(0, longestQuote);
}

export function isAnswer(opened: AsyncIterable<Buffer> | ApiAnswer): opened is ApiAnswer {
  return 'status' in opened;
}

async function toAnswer(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  maxBytes = defaultMaxBytes,
): Promise<ApiAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new AnswerTooLong(maxBytes);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const retryAfter = Number(headers['retry-after']);
  return {
    status: statusCode,
    body: parsed(text),
    text,
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Nothing is lost by a read without an answer, so that asking again is always right. */
function unreachable(error: unknown): unknown {
  if (error instanceof Rejected || error instanceof NotSent) return error;
  const why = error instanceof Error ? error.message || error.name : String(error);
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  return new NotSent(`the cluster cannot be reached: ${why}${code}`, { cause: error });
}
