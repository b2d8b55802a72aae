import { createHash } from 'node:crypto';
import type { EpochMs } from '../../../src/core/time.ts';
import { type Answer, Refusal } from './answer.ts';
import { requireApp } from './apps.ts';
import { type Call, requireRepository } from './call.ts';
import { type Flavour, OLD_API_VERSION } from './flavour.ts';
import type { AppOptions, Permission, TokenOptions } from './options.ts';
import type { RateLimits } from './rate-limits.ts';
import type { RecordedRequest } from './request-log.ts';
import { type FoundRoute, findRoute, type Route } from './routes.ts';
import type { GitHubState } from './state.ts';

/** One stand-in: what it imitates, and what it remembers. */
export interface Site {
  readonly flavour: Flavour;
  readonly state: GitHubState;
  readonly rateLimits: RateLimits;
  /** http://127.0.0.1:PORT */
  readonly origin: string;
}

/** Carries out one request, from the checks that GitHub makes of all to the validators of its caches. Never throws. */
export function answerRequest(site: Site, request: RecordedRequest): Answer {
  const { now, token, apiVersion } = readHeaders(request);
  const url = new URL(request.path, site.origin);
  const found = routeOf(site, request.method, url.pathname);
  let answer: Answer;
  let counts = false;
  let budgetName = token;
  try {
    assertUserAgent(request);
    assertApiVersion(site.flavour, apiVersion);
    const app = found?.route.isForApps === true ? requireApp(site.state.apps, token, now) : undefined;
    const caller = app === undefined ? authenticate(site.state, token, now) : callerOf(app);
    budgetName = caller.budget;
    if (found === undefined) throw new Refusal(404, 'Not Found');
    if (found.name !== 'rateLimit') {
      site.rateLimits.assertLeft(budgetName, now);
      counts = true;
    }
    const viewpoint = { apiUrl: site.origin + site.flavour.basePath, htmlUrl: site.origin, apiVersion, now };
    const call = {
      ...site,
      caller,
      app,
      params: found.params,
      query: url.searchParams,
      bodyText: request.body,
      viewpoint,
    };
    assertPermitted(call, found.route);
    answer = revalidated(found.route.handle(call), request, caller.token);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal(500, `the stand-in failed: ${error}`);
    answer = refusal.toAnswer(found?.route.docs ?? '/rest');
  }
  if (counts && answer.status !== 304) site.rateLimits.count(budgetName, now);
  const budget = answer.status === 401 ? {} : site.rateLimits.headers(budgetName, now);
  return { ...answer, headers: { ...commonHeaders(site.flavour, apiVersion), ...budget, ...answer.headers } };
}

function readHeaders({ headers, at }: RecordedRequest): { now: EpochMs; token: string; apiVersion: string } {
  return {
    now: at,
    token: /^(?:bearer|token) (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '',
    apiVersion: headers['x-github-api-version']?.toString() ?? OLD_API_VERSION,
  };
}

/** Undefined where GitHub, or the stand-in, knows no such call. `path`: with the base path, without the query. */
export function routeOf({ state, flavour }: Site, method: string, path: string): FoundRoute | undefined {
  if (!path.startsWith(`${flavour.basePath}/`)) return undefined;
  // Links of lists name the repository by its id. Source: docs.github.com, "Using pagination in the REST API".
  const byName = path.slice(flavour.basePath.length).replace(/^\/repositories\/(\d+)(?=\/|$)/, (whole, id: string) => {
    const repository = state.repositories.find((candidate) => String(candidate.id) === id);
    return repository === undefined ? whole : `/repos/${repository.fullName}`;
  });
  return findRoute(method, byName);
}

/** Source: docs.github.com, "Troubleshooting the REST API", user agent required. */
function assertUserAgent({ headers }: RecordedRequest): void {
  if (headers['user-agent']) return;
  const rule = 'Please make sure your request has a User-Agent header';
  throw new Refusal(403, `Request forbidden by administrative rules. ${rule}.`);
}

/** Text: expipiplus1/update-nix-fetchgit#79. */
function assertApiVersion({ apiVersions }: Flavour, version: string): void {
  if (apiVersions.includes(version)) return;
  const supported = apiVersions.map((known, index) => `"${known}"${index === 0 ? ' (most recent)' : ''}`).join(', ');
  const asked = `The version you specified in the "X-GitHub-API-Version" request header, "${version}",`;
  const known = `The following versions are currently supported: ${supported}.`;
  throw new Refusal(400, `${asked} is not a supported version. ${known}`);
}

/** `budget`: whose rate limit it is. */
type Caller = TokenOptions & { readonly budget: string };

/** The stand-in's repositories are private, so nothing is for the anonymous. */
function authenticate({ tokens, installationTokens }: GitHubState, given: string, now: EpochMs): Caller {
  if (given === '') throw new Refusal(401, 'Requires authentication');
  const known = tokens.find(({ token }) => token === given);
  if (known !== undefined) return { ...known, budget: given };
  const ofInstallation = installationTokens.find(({ token }) => token === given);
  if (ofInstallation === undefined) throw new Refusal(401, 'Bad credentials');
  const { knownAt, permittedAt, expiresAt } = ofInstallation;
  if (now < knownAt || now >= expiresAt) throw new Refusal(401, 'Bad credentials');
  return now < permittedAt ? { ...ofInstallation, actions: 'none', contents: 'none' } : ofInstallation;
}

function callerOf({ id, slug }: AppOptions): Caller {
  return { token: `app ${id}`, login: `${slug}[bot]`, kind: 'app', budget: `app ${id}` };
}

/** Texts: actions/github-script#298 (app); the same of a fine-grained personal access token. */
function assertPermitted(call: Call, route: Route): void {
  if (!route.path.startsWith('/repos/') || route.isForApps === true) return;
  requireRepository(call);
  if (route.needs === undefined) return;
  const order: readonly Permission[] = ['none', 'read', 'write'];
  const has = call.caller[route.needs.permission] ?? 'write';
  if (order.indexOf(has) >= order.indexOf(route.needs.level)) return;
  const holder = call.caller.kind === 'app' ? 'integration' : 'personal access token';
  throw new Refusal(403, `Resource not accessible by ${holder}`);
}

/** GitHub's ETag is weak and differs per credential. */
function revalidated(answer: Answer, request: RecordedRequest, token: string): Answer {
  if (request.method !== 'GET' || answer.status !== 200) return answer;
  const digest = createHash('sha256').update(`${token}\n${answer.text}`).digest('hex');
  const headers = { ...answer.headers, etag: `W/"${digest}"` };
  const known = (request.headers['if-none-match'] ?? '').split(',').map((etag) => etag.trim().replace(/^W\//, ''));
  return known.includes(`"${digest}"`) ? { status: 304, headers: { etag: headers.etag } } : { ...answer, headers };
}

function commonHeaders({ ghes }: Flavour, apiVersion: string): Record<string, string> {
  return {
    'cache-control': 'private, max-age=60, s-maxage=60',
    vary: 'Accept, Authorization, Cookie, X-GitHub-OTP',
    'x-github-media-type': 'github.v3; format=json',
    'x-github-api-version-selected': apiVersion,
    ...(ghes === undefined ? {} : { 'x-github-enterprise-version': `${ghes}.0` }),
  };
}
