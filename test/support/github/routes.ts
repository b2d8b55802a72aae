import { type Answer, json, Refusal } from './answer.ts';
import { createInstallationToken, getApp, getRepositoryInstallation } from './apps.ts';
import { type Call, requireRepository, requireRun, requireWorkflow } from './call.ts';
import { dispatchRepository, dispatchWorkflow } from './dispatch.ts';
import { listRuns, listUnderRun } from './run-lists.ts';
import { type Run, runProgress } from './state.ts';
import { artifactViews, jobViews } from './views-of-jobs.ts';
import { fullRepositoryView, publicUserView } from './views-of-repositories.ts';
import { runView, workflowView } from './views-of-runs.ts';

export type RouteName =
  | 'cancel'
  | 'createInstallationToken'
  | 'dispatch'
  | 'forceCancel'
  | 'getApp'
  | 'getRepository'
  | 'getRepositoryInstallation'
  | 'getRun'
  | 'getUser'
  | 'getWorkflow'
  | 'listArtifacts'
  | 'listJobs'
  | 'listRuns'
  | 'listWorkflowRuns'
  | 'rateLimit'
  | 'repositoryDispatch';

export interface Route {
  readonly method: 'GET' | 'POST';
  /** As OpenAPI writes it. */
  readonly path: string;
  /** What a fine-grained token must be allowed; absent: nothing but to be valid. */
  readonly needs?: { readonly permission: 'actions' | 'contents'; readonly level: 'read' | 'write' };
  /** Takes nothing but an app's JSON Web Token. */
  readonly isForApps?: true;
  /** Path of its documentation. */
  readonly docs: string;
  readonly handle: (call: Call) => Answer;
}

const RUNS_DOCS = '/rest/actions/workflow-runs';
const WORKFLOWS_DOCS = '/rest/actions/workflows';
const READ_ACTIONS = { permission: 'actions', level: 'read' } as const;
const WRITE_ACTIONS = { permission: 'actions', level: 'write' } as const;

export const ROUTES: Readonly<Record<RouteName, Route>> = {
  cancel: {
    method: 'POST',
    path: '/repos/{owner}/{repo}/actions/runs/{run_id}/cancel',
    needs: WRITE_ACTIONS,
    docs: `${RUNS_DOCS}#cancel-a-workflow-run`,
    handle: (call) => cancel(call, requireRun(call), { forced: false }),
  },
  createInstallationToken: {
    method: 'POST',
    path: '/app/installations/{installation_id}/access_tokens',
    isForApps: true,
    docs: '/rest/apps/apps#create-an-installation-access-token-for-an-app',
    handle: createInstallationToken,
  },
  dispatch: {
    method: 'POST',
    path: '/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
    needs: WRITE_ACTIONS,
    docs: `${WORKFLOWS_DOCS}#create-a-workflow-dispatch-event`,
    handle: dispatchWorkflow,
  },
  forceCancel: {
    method: 'POST',
    path: '/repos/{owner}/{repo}/actions/runs/{run_id}/force-cancel',
    needs: WRITE_ACTIONS,
    docs: `${RUNS_DOCS}#force-cancel-a-workflow-run`,
    handle: (call) => cancel(call, requireRun(call), { forced: true }),
  },
  getApp: {
    method: 'GET',
    path: '/app',
    isForApps: true,
    docs: '/rest/apps/apps#get-the-authenticated-app',
    handle: getApp,
  },
  getRepository: {
    method: 'GET',
    path: '/repos/{owner}/{repo}',
    docs: '/rest/repos/repos#get-a-repository',
    handle: (call) => json(200, fullRepositoryView(requireRepository(call), call.viewpoint)),
  },
  getRepositoryInstallation: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/installation',
    isForApps: true,
    docs: '/rest/apps/apps#get-a-repository-installation-for-the-authenticated-app',
    handle: getRepositoryInstallation,
  },
  getRun: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/actions/runs/{run_id}',
    needs: READ_ACTIONS,
    docs: `${RUNS_DOCS}#get-a-workflow-run`,
    handle: (call) => json(200, runView(requireRun(call), call.viewpoint)),
  },
  getUser: {
    method: 'GET',
    path: '/user',
    docs: '/rest/users/users#get-the-authenticated-user',
    handle: ({ caller, viewpoint }) => {
      if (caller.kind === 'app') throw new Refusal(403, 'Resource not accessible by integration');
      return json(200, publicUserView(caller.login, viewpoint));
    },
  },
  getWorkflow: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/actions/workflows/{workflow_id}',
    needs: READ_ACTIONS,
    docs: `${WORKFLOWS_DOCS}#get-a-workflow`,
    handle: (call) => json(200, workflowView(requireRepository(call), requireWorkflow(call), call.viewpoint)),
  },
  listArtifacts: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts',
    needs: READ_ACTIONS,
    docs: '/rest/actions/artifacts#list-workflow-run-artifacts',
    handle: (call) => {
      const run = requireRun(call);
      const name = call.query.get('name');
      const items = artifactViews(run, call.viewpoint).filter((artifact) => name === null || artifact.name === name);
      return listUnderRun(call, run, { name: 'artifacts', items });
    },
  },
  listJobs: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/actions/runs/{run_id}/jobs',
    needs: READ_ACTIONS,
    docs: '/rest/actions/workflow-jobs#list-jobs-for-a-workflow-run',
    handle: (call) => {
      const run = requireRun(call);
      return listUnderRun(call, run, { name: 'jobs', items: jobViews(run, call.viewpoint) });
    },
  },
  listRuns: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/actions/runs',
    needs: READ_ACTIONS,
    docs: `${RUNS_DOCS}#list-workflow-runs-for-a-repository`,
    handle: listRuns,
  },
  listWorkflowRuns: {
    method: 'GET',
    path: '/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs',
    needs: READ_ACTIONS,
    docs: `${RUNS_DOCS}#list-workflow-runs-for-a-workflow`,
    handle: listRuns,
  },
  rateLimit: {
    method: 'GET',
    path: '/rate_limit',
    docs: '/rest/rate-limit/rate-limit#get-rate-limit-status-for-the-authenticated-user',
    handle: ({ rateLimits, caller, viewpoint }) =>
      json(200, rateLimits.view(caller.budget, viewpoint.now, viewpoint.apiVersion)),
  },
  repositoryDispatch: {
    method: 'POST',
    path: '/repos/{owner}/{repo}/dispatches',
    needs: { permission: 'contents', level: 'write' },
    docs: '/rest/repos/repos#create-a-repository-dispatch-event',
    handle: dispatchRepository,
  },
};

export function isRouteName(text: string): text is RouteName {
  return Object.hasOwn(ROUTES, text);
}

/** Text of the 409: technote-space/auto-cancel-redundant-workflow#68. */
function cancel({ viewpoint: { now } }: Call, run: Run, { forced }: { forced: boolean }): Answer {
  const { status } = runProgress(run, now);
  if (status === 'completed') throw new Refusal(409, 'Cannot cancel a workflow run that is completed.');
  if (forced || !run.workflow.ignoresCancel) {
    const ending = { status, forMs: run.workflow.cancelTakesMs };
    run.script = { phases: [ending, { status: 'completed', conclusion: 'cancelled' }], startedAt: now };
  }
  return json(202, {});
}

export interface FoundRoute {
  readonly name: RouteName;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

const MATCHERS = Object.entries(ROUTES).map(([name, route]) => ({
  name: name as RouteName,
  route,
  pattern: new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
}));

/** `path`: without the base path and the query. Undefined where the stand-in, like GitHub, knows no such call. */
export function findRoute(method: string, path: string): FoundRoute | undefined {
  for (const { name, route, pattern } of MATCHERS) {
    const match = route.method === method ? pattern.exec(path) : null;
    if (match === null) continue;
    const params = Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)] as const);
    return { name, route, params: Object.fromEntries(params) };
  }
  return undefined;
}
