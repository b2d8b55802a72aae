import type { JsonObject } from '../../../src/core/json.ts';
import type { ArtifactOptions, JobOptions } from './options.ts';
import { type Progress, toGitHubTime } from './run-progress.ts';
import { type Run, runProgress } from './state.ts';
import { nodeId, sha, type Viewpoint } from './views-of-repositories.ts';
import { headShaOf, runPageOf, runUrlOf } from './views-of-runs.ts';

/** Room for a run's jobs and artifacts, so that their ids never meet those of the next run. */
const IDS_PER_RUN = 1000;
const NINETY_DAYS_MS = 90 * 86_400_000;
const JOB_STATUSES = new Set(['queued', 'in_progress', 'completed', 'waiting', 'requested', 'pending']);

/** Schema job, one for each of the latest attempt. A run that could not start has none. */
export function jobViews(run: Run, viewpoint: Viewpoint): JsonObject[] {
  const progress = runProgress(run, viewpoint.now);
  if (progress.conclusion === 'startup_failure') return [];
  const outcomes = outcomesOf(run.workflow.jobs, progress);
  return outcomes.map((outcome, index) => ({
    ...placeOf(run, run.id * IDS_PER_RUN + index, viewpoint),
    ...outcomeView(outcome, progress),
    name: outcome.job.name,
    workflow_name: run.workflow.name,
    head_branch: run.headBranch,
    created_at: toGitHubTime(run.attemptStartedAt),
    started_at: toGitHubTime(run.attemptStartedAt),
    labels: ['ubuntu-latest'],
  }));
}

interface JobOutcome {
  readonly job: JobOptions;
  readonly conclusion: string | null;
  readonly failingStep?: string | undefined;
}

function outcomesOf(jobs: readonly JobOptions[], { status, conclusion }: Progress): JobOutcome[] {
  if (status !== 'completed') return jobs.map((job) => ({ job, conclusion: null }));
  // A job's conclusion has no word for `stale`.
  if (conclusion !== 'failure')
    return jobs.map((job) => ({ job, conclusion: conclusion === 'stale' ? 'cancelled' : conclusion }));
  const named = jobs.some(({ failingStep }) => failingStep !== undefined);
  return jobs.map((job, index) => {
    const failingStep = !named && index === 0 ? job.steps.at(-1) : job.failingStep;
    return { job, failingStep, conclusion: failingStep === undefined ? 'success' : 'failure' };
  });
}

function outcomeView({ job, conclusion, failingStep }: JobOutcome, { status, since }: Progress): JsonObject {
  const completed = status === 'completed';
  const assigned = completed || status === 'in_progress';
  const failedAt = failingStep === undefined ? job.steps.length : job.steps.indexOf(failingStep);
  const steps = job.steps.map((name, index) => {
    const number = index + 1;
    if (!completed) return { name, number, status: index === 0 ? 'in_progress' : 'queued', conclusion: null };
    const failedRun = index < failedAt ? 'success' : index === failedAt ? 'failure' : 'skipped';
    return { name, number, status: 'completed', conclusion: failingStep === undefined ? conclusion : failedRun };
  });
  return {
    status: JOB_STATUSES.has(status) ? status : 'in_progress',
    conclusion,
    completed_at: completed ? toGitHubTime(since) : null,
    steps: assigned ? steps : [],
    runner_id: assigned ? 1 : null,
    runner_name: assigned ? 'GitHub Actions 1' : null,
    runner_group_id: assigned ? 0 : null,
    runner_group_name: assigned ? 'GitHub Actions' : null,
  };
}

function placeOf(run: Run, id: number, viewpoint: Viewpoint): JsonObject {
  const repositoryUrl = `${viewpoint.apiUrl}/repos/${run.repository.fullName}`;
  return {
    id,
    run_id: run.id,
    run_url: runUrlOf(run, viewpoint),
    run_attempt: run.runAttempt,
    node_id: nodeId('CheckRun', id),
    head_sha: headShaOf(run),
    url: `${repositoryUrl}/actions/jobs/${id}`,
    html_url: `${runPageOf(run, viewpoint)}/job/${id}`,
    check_run_url: `${repositoryUrl}/check-runs/${id}`,
  };
}

/** Schema artifact, one for each that the workflow uploads; none before the run's end. */
export function artifactViews(run: Run, viewpoint: Viewpoint): JsonObject[] {
  const { status, since } = runProgress(run, viewpoint.now);
  if (status !== 'completed') return [];
  return run.workflow.artifacts.map((artifact: ArtifactOptions, index) => {
    const id = run.id * IDS_PER_RUN + index;
    const url = `${viewpoint.apiUrl}/repos/${run.repository.fullName}/actions/artifacts/${id}`;
    return {
      id,
      node_id: nodeId('Artifact', id),
      name: artifact.name,
      size_in_bytes: artifact.sizeInBytes ?? 556,
      url,
      archive_download_url: `${url}/zip`,
      expired: artifact.expired ?? false,
      created_at: toGitHubTime(since),
      updated_at: toGitHubTime(since),
      expires_at: toGitHubTime(since + NINETY_DAYS_MS),
      digest: `sha256:${sha(`${id}`).padEnd(64, '0')}`,
      workflow_run: {
        id: run.id,
        repository_id: run.repository.id,
        head_repository_id: run.repository.id,
        head_branch: run.headBranch,
        head_sha: headShaOf(run),
      },
    };
  });
}
