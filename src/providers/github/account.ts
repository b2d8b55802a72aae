import { Type } from '@sinclair/typebox';
import { fits } from '../../core/schema.ts';
import type { Authentication } from './authentication.ts';
import type { GitHubApi } from './github-api.ts';

const UserSchema = Type.Object({ login: Type.String() });

/** Who GitHub takes us for. */
export class Account {
  readonly #api: GitHubApi;
  readonly #authentication: Authentication;
  #known: { readonly secret: string; readonly login: string | undefined } | undefined;

  constructor(api: GitHubApi, authentication: Authentication) {
    this.#api = api;
    this.#authentication = authentication;
  }

  /** The name that stands as actor at runs we start. Undefined where GitHub does not tell: a token that an app gave away has no user. */
  async login(signal: AbortSignal): Promise<string | undefined> {
    if (this.#authentication.login !== undefined) return await this.#authentication.login();
    const { secret } = await this.#authentication.credentials();
    if (this.#known?.secret === secret) return this.#known.login;
    const answer = await this.#api.read(
      {
        path: '/user',
        params: {},
        purpose: { act: 'read its own user', subject: 'user of this token', permission: 'a user' },
        signal,
      },
      { statuses: [403, 404], is: undefined },
    );
    const login = fits(UserSchema, answer?.data) ? answer.data.login : undefined;
    this.#known = { secret, login };
    return login;
  }
}
