import { NotSent } from '../../core/effect.ts';
import type { Clock } from '../../core/time.ts';
import { wordsOf } from './answer-words.ts';
import type { GitHubAnswer, GitHubCall, OctokitTransport } from './octokit-transport.ts';
import type { RateBudget } from './rate-budget.ts';
import { type Purpose, refusalOf, unanswered } from './refusal.ts';

/** The first version in which every dispatch answers the id of its run. */
const apiVersion = '2026-03-10';
const versionHeader = 'x-github-api-version';

const readTimeoutMs = 10_000;
const newTokenPauseMs = 2_000;
/** GitHub's have 70 characters. */
const mostEtagCharacters = 256;

export interface GitHubApiOptions {
  readonly baseUrl: string;
  readonly transport: OctokitTransport;
  readonly budget: RateBudget;
  readonly clock: Clock;
  /** How messages name our credential. */
  readonly credential: string;
}

export interface Read {
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly purpose: Purpose;
  /** Answers with this ETag come back as 304. */
  readonly etag?: string | undefined;
  /** Longer answers are an error. Default 1 MiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface Write {
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
}

/** A GitHub and one credential: its limits, its API version, and how its refusals are read. */
export class GitHubApi {
  readonly baseUrl: string;
  /** Where people look: without a slash at the end. */
  readonly webUrl: string;
  /** An Enterprise Server has its API at /api/v3; every other address speaks like github.com. */
  readonly isEnterpriseServer: boolean;
  readonly #options: GitHubApiOptions;
  #sendsVersion: boolean;

  constructor(options: GitHubApiOptions) {
    const { pathname, host, origin } = new URL(options.baseUrl);
    this.baseUrl = options.baseUrl;
    this.isEnterpriseServer = pathname.endsWith('/api/v3');
    this.webUrl = host.startsWith('api.') ? origin.replace('//api.', '//') : origin;
    this.#options = options;
    // An Enterprise Server that does not know the version answers 400 to its name.
    this.#sendsVersion = !this.isEnterpriseServer;
  }

  get credential(): string {
    return this.#options.credential;
  }

  /** Answers 2xx, and 304 where an ETag was given. `unless`: refusals that mean something to the caller. */
  async read<M = never>(
    read: Read,
    unless?: { readonly statuses: readonly number[]; readonly is: M },
  ): Promise<GitHubAnswer | M> {
    const { path, params, signal, etag, maxBytes, purpose } = read;
    const answer = await this.#ask({
      method: 'GET',
      path,
      params,
      ...(signal === undefined ? {} : { signal }),
      timeoutMs: readTimeoutMs,
      ...(maxBytes === undefined ? {} : { maxBytes }),
      headers: etag === undefined ? {} : { 'if-none-match': etag },
    });
    if (unless?.statuses.includes(answer.status)) return unless.is;
    if (isSuccess(answer) || (answer.status === 304 && etag !== undefined)) return answer;
    throw refusalOf(answer, purpose, this.credential);
  }

  /** Any answer but that of a rate limit, which is thrown as NotSent. No signal: a write is never aborted. */
  async write({ path, params, timeoutMs }: Write): Promise<GitHubAnswer> {
    return await this.#ask({ method: 'POST', path, params, timeoutMs });
  }

  async #ask(call: GitHubCall): Promise<GitHubAnswer> {
    const { clock } = this.#options;
    const deadline = clock.now() + call.timeoutMs;
    const withVersion = this.#sendsVersion;
    const answer = await this.#askOnce(
      withVersion ? { ...call, headers: { ...call.headers, [versionHeader]: apiVersion } } : call,
    );
    if (!withVersion || !complainsOf(answer, versionHeader)) return answer;
    this.#sendsVersion = false;
    return await this.#askOnce({ ...call, timeoutMs: Math.max(1, deadline - clock.now()) });
  }

  async #askOnce(call: GitHubCall): Promise<GitHubAnswer> {
    const { transport, budget } = this.#options;
    budget.requireOpen();
    let answer: GitHubAnswer;
    try {
      answer = await transport.send(call);
    } catch (error) {
      throw unanswered(error);
    }
    const limited = budget.note(answer);
    if (limited !== undefined) throw limited;
    if (answer.isOfNewToken !== true || (answer.status !== 401 && answer.status !== 403)) return answer;
    const message = `GitHub does not know the token yet that it has just given to ${this.credential}`;
    throw new NotSent(message, { notBefore: this.#options.clock.now() + newTokenPauseMs });
  }
}

export function isSuccess({ status }: GitHubAnswer): boolean {
  return status >= 200 && status < 300;
}

/** What to ask for the same again with. One that is too long to be kept counts as absent. */
export function etagOf({ headers: { etag } }: GitHubAnswer): string | undefined {
  return etag === undefined || etag.length > mostEtagCharacters ? undefined : etag;
}

/** A refusal that names what we sent, so that the same request without it may pass. Nothing was done. */
export function complainsOf(answer: GitHubAnswer, name: string): boolean {
  return (answer.status === 400 || answer.status === 422) && wordsOf(answer).toLowerCase().includes(name);
}
