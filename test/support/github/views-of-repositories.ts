import { createHash } from 'node:crypto';
import type { JsonObject } from '../../../src/core/json.ts';
import type { EpochMs } from '../../../src/core/time.ts';
import { RUN_DETAILS_API_VERSION } from './flavour.ts';
import { toGitHubTime } from './run-progress.ts';
import type { Repository } from './state.ts';

/** What a view needs besides its subject. */
export interface Viewpoint {
  /** Of the API, base path included, without a slash at the end. */
  readonly apiUrl: string;
  /** Of the pages for people. */
  readonly htmlUrl: string;
  readonly apiVersion: string;
  readonly now: EpochMs;
}

const LONG_AGO = toGitHubTime(Date.UTC(2020, 0, 22, 19, 33, 8));

export function nodeId(kind: string, id: number): string {
  return Buffer.from(`${kind}:${id}`).toString('base64url');
}

/** Forty hex digits that are the same for the same text. */
export function sha(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

/** Schema simple-user. */
export function userView(login: string, { apiUrl, htmlUrl }: Viewpoint): JsonObject {
  const id = Number.parseInt(sha(login).slice(0, 6), 16);
  const url = `${apiUrl}/users/${encodeURIComponent(login)}`;
  return {
    login,
    id,
    node_id: nodeId('User', id),
    avatar_url: `${htmlUrl}/avatars/${id}`,
    gravatar_id: '',
    url,
    html_url: `${htmlUrl}/${login}`,
    followers_url: `${url}/followers`,
    following_url: `${url}/following{/other_user}`,
    gists_url: `${url}/gists{/gist_id}`,
    starred_url: `${url}/starred{/owner}{/repo}`,
    subscriptions_url: `${url}/subscriptions`,
    organizations_url: `${url}/orgs`,
    repos_url: `${url}/repos`,
    events_url: `${url}/events{/privacy}`,
    received_events_url: `${url}/received_events`,
    type: login.endsWith('[bot]') ? 'Bot' : 'User',
    site_admin: false,
  };
}

/** Schema public-user, which GET /user gives to a token without the scope `user`. */
export function publicUserView(login: string, viewpoint: Viewpoint): JsonObject {
  return {
    ...userView(login, viewpoint),
    user_view_type: 'public',
    name: null,
    company: null,
    blog: '',
    location: null,
    email: null,
    hireable: null,
    bio: null,
    twitter_username: null,
    public_repos: 0,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: LONG_AGO,
    updated_at: LONG_AGO,
  };
}

/** What each `…_url` of a repository adds to its own URL. */
const REPOSITORY_URLS: Readonly<Record<string, string>> = {
  archive_url: '/{archive_format}{/ref}',
  assignees_url: '/assignees{/user}',
  blobs_url: '/git/blobs{/sha}',
  branches_url: '/branches{/branch}',
  collaborators_url: '/collaborators{/collaborator}',
  comments_url: '/comments{/number}',
  commits_url: '/commits{/sha}',
  compare_url: '/compare/{base}...{head}',
  contents_url: '/contents/{+path}',
  contributors_url: '/contributors',
  deployments_url: '/deployments',
  downloads_url: '/downloads',
  events_url: '/events',
  forks_url: '/forks',
  git_commits_url: '/git/commits{/sha}',
  git_refs_url: '/git/refs{/sha}',
  git_tags_url: '/git/tags{/sha}',
  hooks_url: '/hooks',
  issue_comment_url: '/issues/comments{/number}',
  issue_events_url: '/issues/events{/number}',
  issues_url: '/issues{/number}',
  keys_url: '/keys{/key_id}',
  labels_url: '/labels{/name}',
  languages_url: '/languages',
  merges_url: '/merges',
  milestones_url: '/milestones{/number}',
  notifications_url: '/notifications{?since,all,participating}',
  pulls_url: '/pulls{/number}',
  releases_url: '/releases{/id}',
  stargazers_url: '/stargazers',
  statuses_url: '/statuses/{sha}',
  subscribers_url: '/subscribers',
  subscription_url: '/subscription',
  tags_url: '/tags',
  teams_url: '/teams',
  trees_url: '/git/trees{/sha}',
};

/** Schema minimal-repository, as it stands inside a run. */
export function minimalRepositoryView(repository: Repository, viewpoint: Viewpoint): JsonObject {
  const url = `${viewpoint.apiUrl}/repos/${repository.fullName}`;
  const urls = Object.entries(REPOSITORY_URLS).map(([key, suffix]) => [key, url + suffix] as const);
  return {
    id: repository.id,
    node_id: nodeId('Repository', repository.id),
    name: repository.name,
    full_name: repository.fullName,
    private: true,
    owner: userView(repository.owner, viewpoint),
    html_url: `${viewpoint.htmlUrl}/${repository.fullName}`,
    description: null,
    fork: false,
    url,
    ...Object.fromEntries(urls),
  };
}

/** Schema full-repository. */
export function fullRepositoryView(repository: Repository, viewpoint: Viewpoint): JsonObject {
  const htmlUrl = `${viewpoint.htmlUrl}/${repository.fullName}`;
  return {
    ...minimalRepositoryView(repository, viewpoint),
    git_url: `git:${htmlUrl.replace(/^https?:/, '')}.git`,
    ssh_url: `git@${new URL(htmlUrl).hostname}:${repository.fullName}.git`,
    clone_url: `${htmlUrl}.git`,
    svn_url: htmlUrl,
    mirror_url: null,
    homepage: null,
    language: null,
    license: null,
    default_branch: repository.defaultBranch,
    archived: false,
    disabled: false,
    has_issues: true,
    has_projects: true,
    has_wiki: true,
    has_pages: false,
    has_discussions: false,
    ...(viewpoint.apiVersion < RUN_DETAILS_API_VERSION ? { has_downloads: true } : {}),
    forks: 0,
    forks_count: 0,
    network_count: 0,
    open_issues: 0,
    open_issues_count: 0,
    size: 0,
    stargazers_count: 0,
    subscribers_count: 0,
    watchers: 0,
    watchers_count: 0,
    created_at: LONG_AGO,
    pushed_at: LONG_AGO,
    updated_at: LONG_AGO,
  };
}
