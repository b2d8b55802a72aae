import { createPublicKey, verify } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../../../src/core/json.ts';
import type { EpochMs } from '../../../src/core/time.ts';
import { type Answer, json, notFound, Refusal } from './answer.ts';
import type { Call } from './call.ts';
import type { AppOptions, InstallationOptions, Permission, TokenOptions } from './options.ts';
import { optionalObject, parseBody } from './request-body.ts';
import { toGitHubTime } from './run-progress.ts';
import { nodeId, userView, type Viewpoint } from './views-of-repositories.ts';

/** Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App". */
const LONGEST_JWT_SECONDS = 600;
const TOKEN_LIFE_MS = 3_600_000;

/** The token of an installation, as it is remembered. */
export interface InstallationToken extends TokenOptions {
  readonly expiresAt: EpochMs;
  /** GitHub's servers learn of it and of what it may do one after the other: octokit/auth-app.js#589. */
  readonly knownAt: EpochMs;
  readonly permittedAt: EpochMs;
  /** All tokens of an installation share its rate limit. */
  readonly budget: string;
}

/**
 * The app whose key has signed it. Texts, where a thread shows them: octokit/auth-app.js#698, sigmavirus24/github3.py#1050,
 * backstage/backstage#12887.
 */
export function requireApp(apps: readonly AppOptions[], jwt: string, now: EpochMs): AppOptions {
  const [header = '', claims = '', signature = ''] = jwt.split('.');
  const { alg } = decoded(header);
  const { iss, iat, exp } = decoded(claims);
  const app = apps.find(({ id, clientId }) => String(id) === String(iss) || (clientId ?? '') === iss);
  if (app === undefined) throw new Refusal(404, 'Integration not found');
  const isSigned =
    alg === 'RS256' &&
    verify(
      'RSA-SHA256',
      Buffer.from(`${header}.${claims}`),
      createPublicKey(app.publicKey),
      Buffer.from(signature, 'base64url'),
    );
  if (!isSigned) throw new Refusal(401, 'A JSON web token could not be decoded');
  const nowSeconds = now / 1_000;
  if (!isWhole(iat) || iat > nowSeconds) {
    const rule = 'must be an Integer representing the time that the assertion was issued';
    throw new Refusal(401, `'Issued at' claim ('iat') ${rule}`);
  }
  if (!isWhole(exp) || exp <= nowSeconds) {
    const rule = 'must be a numeric value representing the future time at which the assertion expires';
    throw new Refusal(401, `'Expiration time' claim ('exp') ${rule}`);
  }
  if (exp > nowSeconds + LONGEST_JWT_SECONDS) {
    throw new Refusal(401, "'Expiration time' claim ('exp') is too far in the future");
  }
  return app;
}

export function getApp({ app, viewpoint }: Call): Answer {
  return json(200, appView(requireCaller(app), viewpoint));
}

export function getRepositoryInstallation(call: Call): Answer {
  const app = requireCaller(call.app);
  const { owner = '', repo = '' } = call.params;
  const repository = call.state.findRepository(`${owner}/${repo}`);
  const installation = repository && app.installations?.find((candidate) => reaches(candidate, repository.fullName));
  if (installation === undefined) throw notFound();
  return json(200, installationView(app, installation, call.viewpoint));
}

/**
 * POST /app/installations/{installation_id}/access_tokens. Texts, where a thread shows them: google-gemini/gemini-cli#12033,
 * peter-murray/workflow-application-token-action#48.
 */
export function createInstallationToken(call: Call): Answer {
  const { app: caller, params, state, viewpoint } = call;
  const app = requireCaller(caller);
  const installation = app.installations?.find(({ id }) => String(id) === params.installation_id);
  if (installation === undefined) throw notFound();
  if (installation.isSuspended === true) throw new Refusal(403, 'This installation has been suspended');
  const body = parseBody(call.bodyText === '' ? '{}' : call.bodyText);
  const asked = optionalObject(body, 'permissions', 100);
  const repositories = requireRepositories(call, installation, body.repositories);
  const token: InstallationToken = {
    token: `ghs_${app.id}_${installation.id}_${state.nextTokenNumber()}`,
    login: `${app.slug}[bot]`,
    kind: 'app',
    actions: requireGranted(installation.actions ?? 'write', asked, 'actions'),
    contents: requireGranted(installation.contents ?? 'none', asked, 'contents'),
    repositories,
    expiresAt: viewpoint.now + TOKEN_LIFE_MS,
    knownAt: viewpoint.now + (app.tokenKnownAfterMs ?? 0),
    permittedAt: viewpoint.now + (app.tokenPermittedAfterMs ?? 0),
    budget: `installation ${installation.id}`,
  };
  state.installationTokens.push(token);
  return json(201, {
    token: token.token,
    expires_at: toGitHubTime(token.expiresAt),
    permissions: permissionsOf(token),
    repository_selection: body.repositories === undefined ? 'all' : 'selected',
  });
}

function requireRepositories({ state }: Call, installation: InstallationOptions, names: Json | undefined): string[] {
  const reached = state.repositories.map(({ fullName }) => fullName).filter((name) => reaches(installation, name));
  if (names === undefined) return reached;
  const wanted = Array.isArray(names) ? names.map((name) => `${installation.owner}/${String(name)}`.toLowerCase()) : [];
  const found = reached.filter((name) => wanted.includes(name.toLowerCase()));
  if (found.length < wanted.length) {
    const rule = 'does not exist or is not accessible to the parent installation';
    throw new Refusal(422, `There is at least one repository that ${rule}.`);
  }
  return found;
}

function requireGranted(granted: Permission, asked: JsonObject, name: 'actions' | 'contents'): Permission {
  const order: readonly unknown[] = ['none', 'read', 'write'];
  const level = Object.keys(asked).length === 0 ? granted : order.find((known) => known === (asked[name] ?? 'none'));
  if (order.indexOf(level) <= order.indexOf(granted)) return level as Permission;
  throw new Refusal(422, 'The permissions requested are not granted to this installation.');
}

function reaches({ owner, repositories }: InstallationOptions, fullName: string): boolean {
  const [ownerName = '', name = ''] = fullName.toLowerCase().split('/');
  if (ownerName !== owner.toLowerCase()) return false;
  return repositories?.some((known) => known.toLowerCase() === name) ?? true;
}

function requireCaller(app: AppOptions | undefined): AppOptions {
  if (app === undefined) throw new Refusal(401, 'A JSON web token could not be decoded');
  return app;
}

/** Schema integration. */
function appView(app: AppOptions, viewpoint: Viewpoint): JsonObject {
  const time = toGitHubTime(Date.UTC(2020, 0, 8));
  return {
    id: app.id,
    ...(app.clientId === undefined ? {} : { client_id: app.clientId }),
    slug: app.slug,
    node_id: nodeId('Integration', app.id),
    owner: userView('acme', viewpoint),
    name: app.slug,
    description: null,
    external_url: viewpoint.htmlUrl,
    html_url: `${viewpoint.htmlUrl}/apps/${app.slug}`,
    created_at: time,
    updated_at: time,
    permissions: { actions: 'write', metadata: 'read' },
    events: [],
    installations_count: app.installations?.length ?? 0,
  };
}

/** Schema installation. */
function installationView(app: AppOptions, installation: InstallationOptions, viewpoint: Viewpoint): JsonObject {
  const { id, owner, repositories, actions = 'write', contents = 'none' } = installation;
  const time = toGitHubTime(Date.UTC(2020, 0, 8));
  const account = userView(owner, viewpoint);
  return {
    id,
    account,
    repository_selection: repositories === undefined ? 'all' : 'selected',
    access_tokens_url: `${viewpoint.apiUrl}/app/installations/${id}/access_tokens`,
    repositories_url: `${viewpoint.apiUrl}/installation/repositories`,
    html_url: `${viewpoint.htmlUrl}/settings/installations/${id}`,
    app_id: app.id,
    app_slug: app.slug,
    target_id: account.id,
    target_type: 'Organization',
    permissions: permissionsOf({ actions, contents }),
    events: [],
    created_at: time,
    updated_at: time,
    single_file_name: null,
    suspended_by: null,
    suspended_at: null,
  };
}

function permissionsOf({ actions = 'none', contents = 'none' }: Pick<TokenOptions, 'actions' | 'contents'>) {
  return {
    ...(actions === 'none' ? {} : { actions }),
    ...(contents === 'none' ? {} : { contents }),
    metadata: 'read',
  };
}

function decoded(part: string): JsonObject {
  try {
    const value: Json = JSON.parse(Buffer.from(part, 'base64url').toString());
    if (isJsonObject(value)) return value;
  } catch {
    // No JSON.
  }
  throw new Refusal(401, 'A JSON web token could not be decoded');
}

function isWhole(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value);
}
