import { RUN_DETAILS_API_VERSION } from './flavour.ts';
import { assertDescribed, assertRefusal } from './openapi-contract.ts';
import { STAND_IN_TOKEN } from './options.ts';
import { ROUTES, type RouteName } from './routes.ts';
import type { GitHubStandIn } from './stand-in.ts';

export interface Question {
  /** Values of the variable parts of the path, and of the query. */
  readonly with?: Readonly<Record<string, string | number>>;
  readonly query?: string;
  /** Absent or undefined: none. */
  readonly body?: unknown;
  readonly token?: string;
  /** Default 2026-03-10; null: no version header. */
  readonly apiVersion?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** True where a fault makes the answer one that GitHub's description does not know. */
  readonly faulty?: boolean;
}

/** Members that tests read; which of them an answer holds depends on the call. */
export interface ReplyBody {
  readonly id: number;
  readonly login: string;
  readonly slug: string;
  readonly token: string;
  readonly expires_at: string;
  readonly message: string;
  readonly state: string;
  readonly path: string;
  readonly default_branch: string;
  readonly rate: { readonly used: number };
  readonly resources: { readonly core: { readonly used: number } };
  readonly total_count: number;
  readonly workflow_run_id: number;
  readonly run_url: string;
  readonly html_url: string;
  readonly display_title: string;
  readonly status: string;
  readonly conclusion: string | null;
  readonly run_number: number;
  readonly run_attempt: number;
  readonly event: string;
  readonly head_branch: string;
  readonly head_sha: string;
  readonly actor: { readonly login: string };
  readonly created_at: string;
  readonly updated_at: string;
  readonly run_started_at: string;
  readonly workflow_runs: readonly { readonly id: number; readonly display_title: string }[];
  readonly artifacts: readonly { readonly name: string; readonly expired: boolean }[];
  readonly jobs: readonly JobReply[];
}

export interface JobReply {
  readonly name: string;
  readonly status: string;
  readonly conclusion: string | null;
  readonly steps: readonly { readonly name: string; readonly conclusion: string | null }[];
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Empty where the answer has no JSON. */
  readonly body: ReplyBody;
}

/** Calls acme/shop and smoke.yml unless told otherwise. Holds every answer that it gets to GitHub's description. */
export async function ask(standIn: GitHubStandIn, name: RouteName, question: Question = {}): Promise<Reply> {
  const { method, path } = ROUTES[name];
  const { apiVersion = RUN_DETAILS_API_VERSION } = question;
  const params: Record<string, string | number> = {
    owner: 'acme',
    repo: 'shop',
    workflow_id: 'smoke.yml',
    ...question.with,
  };
  const filled = path.replaceAll(/\{(\w+)\}/g, (_whole, key: string) => encodeURIComponent(params[key] ?? ''));
  const requestBody = question.body === undefined ? undefined : JSON.stringify(question.body);
  const response = await fetch(`${standIn.url}${filled}${question.query ? `?${question.query}` : ''}`, {
    method,
    headers: {
      authorization: `Bearer ${question.token ?? STAND_IN_TOKEN}`,
      ...(apiVersion === null ? {} : { 'x-github-api-version': apiVersion }),
      ...question.headers,
    },
    ...(requestBody === undefined ? {} : { body: requestBody }),
  });
  const text = await response.text();
  const { status, headers } = response;
  if (question.faulty !== true) {
    const exchange = { method, path, apiVersion: apiVersion ?? '2022-11-28', requestBody, status, body: text };
    if (response.ok) assertDescribed(exchange);
    if (status >= 400) assertRefusal(status, text);
  }
  return { status, headers, text, body: JSON.parse(question.faulty === true || text === '' ? '{}' : text) };
}

/** Starts a run and gives its id. */
export async function dispatch(standIn: GitHubStandIn, question: Question = {}): Promise<number> {
  const { body } = await ask(standIn, 'dispatch', { body: { ref: 'main' }, ...question });
  return body.workflow_run_id;
}
