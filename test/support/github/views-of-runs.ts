import type { JsonObject } from '../../../src/core/json.ts';
import { toGitHubTime } from './run-progress.ts';
import { type Repository, type Run, runProgress, type Workflow } from './state.ts';
import { minimalRepositoryView, nodeId, sha, userView, type Viewpoint } from './views-of-repositories.ts';

const DAY_MS = 86_400_000;

export function headShaOf(run: Run): string {
  return sha(`${run.repository.fullName}@${run.headBranch}`);
}

export function runUrlOf(run: Run, { apiUrl }: Viewpoint): string {
  return `${apiUrl}/repos/${run.repository.fullName}/actions/runs/${run.id}`;
}

export function runPageOf(run: Run, { htmlUrl }: Viewpoint): string {
  return `${htmlUrl}/${run.repository.fullName}/actions/runs/${run.id}`;
}

/** Schema workflow. */
export function workflowView(repository: Repository, workflow: Workflow, viewpoint: Viewpoint): JsonObject {
  const page = `${viewpoint.htmlUrl}/${repository.fullName}`;
  const createdAt = toGitHubTime(Date.UTC(2020, 0, 8, 23, 48, 37));
  return {
    id: workflow.id,
    node_id: nodeId('Workflow', workflow.id),
    name: workflow.name,
    path: workflow.path,
    state: workflow.state,
    created_at: createdAt,
    updated_at: createdAt,
    url: workflowUrl(repository, workflow, viewpoint),
    html_url: `${page}/blob/${repository.defaultBranch}/${workflow.path}`,
    badge_url: `${page}/workflows/${encodeURIComponent(workflow.name)}/badge.svg`,
  };
}

function workflowUrl(repository: Repository, workflow: Workflow, { apiUrl }: Viewpoint): string {
  return `${apiUrl}/repos/${repository.fullName}/actions/workflows/${workflow.id}`;
}

/** Schema workflow-run. */
export function runView(run: Run, viewpoint: Viewpoint): JsonObject {
  const { repository, workflow } = run;
  const { status, conclusion, since } = runProgress(run, viewpoint.now);
  const url = runUrlOf(run, viewpoint);
  const headSha = headShaOf(run);
  const repositoryView = minimalRepositoryView(repository, viewpoint);
  const actor = userView(run.actor, viewpoint);
  const committer = { name: 'Mona', email: 'mona@example.com' };
  return {
    id: run.id,
    name: workflow.name,
    node_id: nodeId('WorkflowRun', run.id),
    check_suite_id: run.id,
    check_suite_node_id: nodeId('CheckSuite', run.id),
    head_branch: run.headBranch,
    head_sha: headSha,
    path: `${workflow.path}@${run.headBranch}`,
    run_number: run.runNumber,
    run_attempt: run.runAttempt,
    referenced_workflows: [],
    event: run.event,
    display_title: run.displayTitle,
    status,
    conclusion,
    workflow_id: workflow.id,
    url,
    html_url: runPageOf(run, viewpoint),
    pull_requests: [],
    created_at: toGitHubTime(run.createdAt),
    updated_at: toGitHubTime(since),
    run_started_at: toGitHubTime(run.attemptStartedAt),
    actor,
    triggering_actor: actor,
    jobs_url: `${url}/jobs`,
    logs_url: `${url}/logs`,
    check_suite_url: `${viewpoint.apiUrl}/repos/${repository.fullName}/check-suites/${run.id}`,
    artifacts_url: `${url}/artifacts`,
    cancel_url: `${url}/cancel`,
    rerun_url: `${url}/rerun`,
    previous_attempt_url: run.runAttempt > 1 ? `${url}/attempts/${run.runAttempt - 1}` : null,
    workflow_url: workflowUrl(repository, workflow, viewpoint),
    head_commit: {
      id: headSha,
      tree_id: sha(headSha),
      message: 'Update README.md',
      timestamp: toGitHubTime(run.createdAt - DAY_MS),
      author: committer,
      committer,
    },
    repository: repositoryView,
    head_repository: repositoryView,
  };
}
