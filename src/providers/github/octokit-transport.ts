import type { Octokit } from '@octokit/rest';
import type { Logger } from 'pino';
import { type HttpAnswer, HttpError, type HttpFetch, type HttpRequest } from '../../core/connection.ts';
import { NotSent, Rejected } from '../../core/effect.ts';
import type { Clock } from '../../core/time.ts';
import type { Authentication, GitHubCredentials } from './authentication.ts';
import { octokitLog } from './octokit-log.ts';

export interface GitHubCall {
  readonly method: 'GET' | 'POST';
  /** With `{name}` for what `params` fill in; the other params become the query of a GET or the body of a POST. */
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** Any answer, whatever its status. `data` is what the body held: parsed JSON, text where that failed, '' where there was none. */
export interface GitHubAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly data: unknown;
  /** Given to a token that is so new that not all servers of GitHub may know it yet, or what it may do. */
  readonly isOfNewToken?: boolean;
}

export interface TransportOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly authentication: Authentication;
  readonly fetch: HttpFetch;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Five seconds have not always been enough: octokit/auth-app.js#589. */
const tokenIsNewForMs = 10_000;

type OctokitResponse = Awaited<ReturnType<Octokit['request']>>;

interface Ready {
  readonly credentials: GitHubCredentials;
  readonly octokit: Octokit;
}

const redirects: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/**
 * Octokit for the form of requests and answers, our own HttpFetch for the wire, and nothing that repeats a request: its
 * retry plug-ins send a POST up to eight times (facts/github-actions.md, section 10).
 */
export class OctokitTransport {
  readonly #options: TransportOptions;
  #octokit: Promise<Octokit> | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /**
   * Throws HttpError, or NotSent and Rejected where it did not even come to a request. One request, but for one that was
   * refused for a token that could be renewed.
   */
  async send(call: GitHubCall): Promise<GitHubAnswer> {
    const { clock } = this.#options;
    const deadline = clock.now() + call.timeoutMs;
    const first = await this.#ready(call);
    const answer = await this.#sendAs(first, call);
    const { renewal } = first.credentials;
    if (answer.status !== 401 || answer.isOfNewToken === true || renewal === undefined) return answer;
    renewal.giveUp();
    const renewed = await this.#ready(call);
    return await this.#sendAs(renewed, { ...call, timeoutMs: Math.max(1, deadline - clock.now()) });
  }

  async #sendAs({ credentials, octokit }: Ready, call: GitHubCall): Promise<GitHubAnswer> {
    try {
      const response = await octokit.request({
        ...call.params,
        method: call.method,
        url: call.path,
        headers: { ...call.headers },
        request: { fetch: this.#fetchFor(call, credentials) },
      });
      return this.#toAnswer(response, credentials);
    } catch (error) {
      const response = responseIn(error);
      if (response !== undefined) return this.#toAnswer(response, credentials);
      throw error instanceof Error && error.cause instanceof HttpError ? error.cause : error;
    }
  }

  #toAnswer({ status, headers, data }: OctokitResponse, { renewal }: GitHubCredentials): GitHubAnswer {
    const isOfNewToken = renewal !== undefined && this.#options.clock.now() < renewal.givenAt + tokenIsNewForMs;
    return { status, headers: headers as GitHubAnswer['headers'], data, isOfNewToken };
  }

  /** Whatever fails here, nothing was sent. */
  async #ready({ params: { owner, repo } }: GitHubCall): Promise<Ready> {
    try {
      const repository = owner === undefined ? undefined : `${owner}/${repo}`;
      const credentials = await this.#options.authentication.credentials(repository);
      this.#octokit ??= this.#loadOctokit();
      return { credentials, octokit: await this.#octokit };
    } catch (error) {
      if (error instanceof Rejected || error instanceof NotSent) throw error;
      throw new NotSent(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** Loaded at the first use: a start without GitHub, or before its first call, does not pay for it. */
  async #loadOctokit(): Promise<Octokit> {
    const { Octokit } = await import('@octokit/rest');
    const log = octokitLog(this.#options.log);
    // Twice: warnings of deprecated calls go to `request.log`, and to the console without it.
    return new Octokit({ baseUrl: this.#options.baseUrl, log, request: { log } });
  }

  /** The credential is added below Octokit, so that none of its errors and log lines can hold it. */
  #fetchFor(call: GitHubCall, { authorization }: GitHubCredentials) {
    return async (url: string, init: { headers: Record<string, string>; body?: string }): Promise<Response> => {
      const request: HttpRequest = {
        method: call.method,
        url,
        headers: { ...init.headers, authorization },
        timeoutMs: call.timeoutMs,
        ...(init.body === undefined ? {} : { body: init.body }),
        ...(call.maxBytes === undefined ? {} : { maxBytes: call.maxBytes }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      };
      return toResponse(await this.#fetchMoved(request));
    };
  }

  /** A renamed repository answers reads with its new place, which is followed once and only within the same server. */
  async #fetchMoved(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#options.fetch(request);
    if (request.method !== 'GET' || !redirects.has(answer.status)) return answer;
    const target = URL.parse(answer.headers.location ?? '', String(request.url));
    if (target?.origin !== new URL(request.url).origin) return answer;
    return await this.#options.fetch({ ...request, url: target });
  }
}

/** Octokit throws a RequestError for 304 and everything from 400 on. */
function responseIn(error: unknown): OctokitResponse | undefined {
  if (!(error instanceof Error) || !('response' in error)) return undefined;
  return error.response as OctokitResponse | undefined;
}

const statusesWithoutBody: ReadonlySet<number> = new Set([204, 205, 304]);

function toResponse({ status, headers, text }: HttpAnswer): Response {
  const body = statusesWithoutBody.has(status) ? null : text;
  return new Response(body, { status, headers: { ...headers } });
}
