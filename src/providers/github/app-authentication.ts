import { Type } from '@sinclair/typebox';
import type { Credential, ProviderTools } from '../../core/connection.ts';
import { Rejected } from '../../core/effect.ts';
import { fits } from '../../core/schema.ts';
import { appJwt, UnusableKey } from './app-jwt.ts';
import type { Authentication, GitHubCredentials } from './authentication.ts';
import { GitHubApi } from './github-api.ts';
import { InstallationTokens } from './installation-tokens.ts';
import { KeptValue } from './kept-value.ts';
import { OctokitTransport } from './octokit-transport.ts';
import { RateBudget } from './rate-budget.ts';

const AppSchema = Type.Object({ slug: Type.String({ minLength: 1 }) });

export interface App {
  /** Its id or its client id. */
  readonly appId: number | string;
  readonly privateKey: Credential;
  /** Undefined: found by the repository. */
  readonly installationId: number | undefined;
}

/** A GitHub App, which acts through the installation that a repository belongs to. `baseUrl`: without a slash at the end. */
export function appAuthentication(app: App, baseUrl: string, { fetch, log, clock }: ProviderTools): Authentication {
  const description = `app ${app.appId} with the private key in ${app.privateKey.path}`;
  const itself: Authentication = { description, credentials: () => jwtCredentials(app, clock.now()) };
  const api = new GitHubApi({
    baseUrl,
    transport: new OctokitTransport({ baseUrl, authentication: itself, fetch, log, clock }),
    budget: new RateBudget(clock),
    clock,
    credential: description,
  });
  const tokens = new InstallationTokens({ api, installationId: app.installationId, clock });
  const login = new KeptValue(clock, async () => ({ value: await botLogin(api), until: Number.POSITIVE_INFINITY }));

  return {
    description,
    async credentials(repository) {
      if (repository === undefined) return await itself.credentials();
      const token = tokens.of(repository);
      const given = await token.get();
      const { secret, givenAt } = given;
      return { authorization: `Bearer ${secret}`, secret, renewal: { givenAt, giveUp: () => token.drop(given) } };
    },
    login: () => login.get(),
  };
}

async function jwtCredentials({ appId, privateKey }: App, now: number): Promise<GitHubCredentials> {
  const pem = await privateKey.read();
  try {
    const secret = appJwt({ appId, privateKey: pem }, now);
    return { authorization: `Bearer ${secret}`, secret };
  } catch (error) {
    if (!(error instanceof UnusableKey)) throw error;
    throw new Rejected('ConnectionFailed', `what is in ${privateKey.path} ${error.message}`);
  }
}

/** An app's runs have its bot as actor. */
async function botLogin(api: GitHubApi): Promise<string | undefined> {
  const { data } = await api.read({
    path: '/app',
    params: {},
    purpose: { act: 'read its own app', subject: 'app of this key', permission: 'an app' },
  });
  return fits(AppSchema, data) ? `${data.slug}[bot]` : undefined;
}
