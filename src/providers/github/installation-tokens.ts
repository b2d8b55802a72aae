import { Type } from '@sinclair/typebox';
import { LruMap } from '../../core/lru-map.ts';
import { fits } from '../../core/schema.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import { type GitHubApi, isSuccess } from './github-api.ts';
import { KeptValue } from './kept-value.ts';
import type { GitHubAnswer } from './octokit-transport.ts';
import { type Purpose, refusalOf } from './refusal.ts';

const rememberedRepositories = 1_000;
/** Before its end, so that no request is under way with a token that has just expired. */
const renewedBeforeMs = 5 * 60_000;
const mintTimeoutMs = 10_000;

const InstallationSchema = Type.Object({ id: Type.Integer() });
const TokenSchema = Type.Object({ token: Type.String({ minLength: 1 }), expires_at: Type.String() });

export interface InstallationTokensOptions {
  /** Speaks as the app itself. */
  readonly api: GitHubApi;
  /** Undefined: the one that a repository belongs to is looked up, once for each owner. */
  readonly installationId: number | undefined;
  readonly clock: Clock;
}

export interface InstallationToken {
  readonly secret: string;
  /** By our clock. */
  readonly givenAt: EpochMs;
}

/**
 * An app's tokens, each for one repository and no more than what we do there.
 * Source: docs.github.com, "Generating an installation access token for a GitHub App".
 */
export class InstallationTokens {
  readonly #options: InstallationTokensOptions;
  readonly #installations = new LruMap<string, KeptValue<number>>(rememberedRepositories);
  readonly #tokens = new LruMap<string, KeptValue<InstallationToken>>(rememberedRepositories);

  constructor(options: InstallationTokensOptions) {
    this.#options = options;
  }

  /** `repository`: `acme/shop`. Throws Rejected, NotSent, or anything else where GitHub gave no usable answer. */
  of(repository: string): KeptValue<InstallationToken> {
    return this.#known(this.#tokens, repository, async () => {
      const answer = await this.#mint(repository);
      if (!fits(TokenSchema, answer.data)) throw new Error('GitHub answered something that is no token');
      const value = { secret: answer.data.token, givenAt: this.#options.clock.now() };
      return { value, until: this.#renewAt(answer, Date.parse(answer.data.expires_at)) };
    });
  }

  async #mint(repository: string): Promise<GitHubAnswer> {
    const { installationId } = this.#options;
    if (installationId !== undefined) return await this.#mintFor(installationId, repository);
    const installation = this.#installationOf(repository);
    const id = await installation.get();
    try {
      return await this.#mintFor(id, repository);
    } catch (error) {
      // Installed anew, an app has another installation.
      installation.drop(id);
      const now = await installation.get();
      if (now === id) throw error;
      return await this.#mintFor(now, repository);
    }
  }

  async #mintFor(installationId: number, repository: string): Promise<GitHubAnswer> {
    const { api } = this.#options;
    const answer = await api.write({
      path: '/app/installations/{installation_id}/access_tokens',
      params: {
        installation_id: installationId,
        repositories: [nameOf(repository)],
        permissions: { actions: 'write', metadata: 'read' },
      },
      timeoutMs: mintTimeoutMs,
    });
    if (isSuccess(answer)) return answer;
    throw refusalOf(answer, purposeOf(repository, `installation ${installationId}`), api.credential);
  }

  #installationOf(repository: string): KeptValue<number> {
    const { api } = this.#options;
    return this.#known(this.#installations, ownerOf(repository), async () => {
      const { data } = await api.read({
        path: '/repos/{owner}/{repo}/installation',
        params: { owner: ownerOf(repository), repo: nameOf(repository) },
        purpose: purposeOf(repository, `installation on ${repository}`),
      });
      if (!fits(InstallationSchema, data)) throw new Error('GitHub answered something that is no installation');
      return { value: data.id, until: Number.POSITIVE_INFINITY };
    });
  }

  #known<T>(
    values: LruMap<string, KeptValue<T>>,
    name: string,
    fetch: ConstructorParameters<typeof KeptValue<T>>[1],
  ): KeptValue<T> {
    const key = name.toLowerCase();
    const known = values.get(key) ?? new KeptValue(this.#options.clock, fetch);
    values.set(key, known);
    return known;
  }

  /** By our clock, however wrong it is: GitHub's own time stands beside the end of the token. */
  #renewAt({ headers }: GitHubAnswer, expiresAt: EpochMs): EpochMs {
    const now = this.#options.clock.now();
    const serverNow = Date.parse(headers.date ?? '');
    return expiresAt - renewedBeforeMs + (Number.isNaN(serverNow) ? 0 : now - serverNow);
  }
}

function purposeOf(repository: string, subject: string): Purpose {
  return { act: `give out a token for ${repository}`, subject, permission: `an installation on ${repository}` };
}

function ownerOf(repository: string): string {
  return repository.split('/')[0] ?? '';
}

function nameOf(repository: string): string {
  return repository.split('/')[1] ?? '';
}
