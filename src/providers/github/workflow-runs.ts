import { Type } from '@sinclair/typebox';
import { LruMap } from '../../core/lru-map.ts';
import { fits } from '../../core/schema.ts';
import { type EpochMs, toIsoTime } from '../../core/time.ts';
import { wordsOf } from './answer-words.ts';
import { etagOf, type GitHubApi, isSuccess } from './github-api.ts';
import type { GitHubAnswer } from './octokit-transport.ts';
import { type Purpose, refusalOf } from './refusal.ts';
import { type RunState, stateOf, toWorkflowRun, type WorkflowRun } from './workflow-run.ts';

const runsPath = '/repos/{owner}/{repo}/actions/runs/{run_id}';
const pageSize = 100;
/** A hundred runs with their commits and repositories. */
const listMaxBytes = 16 * 1024 * 1024;
/** Filtered lists give no more than 1,000 runs (facts/github-actions.md, section 3). */
const mostPages = 10;
const rememberedRuns = 10_000;

const RunListSchema = Type.Object({ workflow_runs: Type.Array(Type.Unknown()) });
const JobListSchema = Type.Object({
  jobs: Type.Array(
    Type.Object({
      name: Type.String(),
      conclusion: Type.Union([Type.String(), Type.Null()]),
      steps: Type.Optional(
        Type.Array(Type.Object({ name: Type.String(), conclusion: Type.Union([Type.String(), Type.Null()]) })),
      ),
    }),
  ),
});

export type RunPlace = {
  /** `acme/shop` */
  readonly repository: string;
  readonly runId: number;
};

export interface RunSearch {
  readonly repository: string;
  /** File name or id. */
  readonly workflow: string;
  /** By GitHub's time, both to the second and included. Absent: the newest hundred runs. */
  readonly created?: { readonly from: EpochMs; readonly to: EpochMs };
}

export interface FoundRuns {
  readonly runs: readonly WorkflowRun[];
  /** False where there are more than can be listed. */
  readonly isComplete: boolean;
  /** GitHub's time at the first answer; undefined where it did not say. */
  readonly serverTime: EpochMs | undefined;
}

/** One page of the runs of a repository. Whoever gives it back is answered for nothing while it has not changed. */
export interface RunPage {
  readonly runs: ReadonlyMap<number, RunState>;
  readonly isLast: boolean;
  readonly etag: string | undefined;
}

export interface FailedJob {
  readonly name: string;
  readonly conclusion: string;
  readonly failedSteps: readonly string[];
}

/** Runs of workflows: finding, reading, cancelling. */
export class WorkflowRuns {
  readonly #api: GitHubApi;
  /** With the ETag of each, so that asking again is free while nothing has changed. */
  readonly #known = new LruMap<string, { readonly etag: string; readonly run: WorkflowRun }>(rememberedRuns);

  constructor(api: GitHubApi) {
    this.#api = api;
  }

  /** Runs that a dispatch started, newest first. Lists lag behind and have lost runs: absence proves nothing. */
  async dispatched(search: RunSearch, signal: AbortSignal): Promise<FoundRuns> {
    const pages = search.created === undefined ? 1 : mostPages;
    const runs: WorkflowRun[] = [];
    let serverTime: EpochMs | undefined;
    for (let page = 1; page <= pages; page += 1) {
      const answer = await this.#api.read({
        path: '/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs',
        params: { ...placeParams(search), ...searchParams(search), page },
        purpose: workflowPurpose(search, `list the runs of ${search.workflow} in ${search.repository}`),
        maxBytes: listMaxBytes,
        signal,
      });
      const found = runsIn(answer);
      runs.push(...found);
      serverTime ??= timeOf(answer);
      if (found.length < pageSize) return { runs, isComplete: true, serverTime };
    }
    return { runs, isComplete: false, serverTime };
  }

  /**
   * Those that a dispatch started, of all workflows, a hundred at a time, the newest first. Fewer are the last, as are those
   * of the tenth page. Lists lag behind and have lost runs; what cannot be read as a run is left out like those.
   */
  async newest(
    repository: string,
    { page, known }: { readonly page: number; readonly known: RunPage | undefined },
    signal: AbortSignal,
  ): Promise<RunPage> {
    const answer = await this.#api.read({
      path: '/repos/{owner}/{repo}/actions/runs',
      params: { ...repositoryParams(repository), ...dispatchedParams, page },
      purpose: {
        act: `list the runs of ${repository}`,
        subject: `repository ${repository}`,
        permission: `Actions: read on ${repository}`,
      },
      etag: known?.etag,
      maxBytes: listMaxBytes,
      signal,
    });
    if (answer.status === 304 && known !== undefined) return known;
    const entries = entriesIn(answer);
    const runs = new Map<number, RunState>();
    for (const entry of entries) {
      const run = toWorkflowRun(entry);
      if (run !== undefined) runs.set(run.id, stateOf(run));
    }
    return { runs, isLast: entries.length < pageSize || page === mostPages, etag: etagOf(answer) };
  }

  /** The run as it stands, in its newest attempt. Undefined: 404, which also hides what the token may not see. */
  async get(place: RunPlace, signal: AbortSignal): Promise<WorkflowRun | undefined> {
    return await this.#read(place, runsPath, {}, signal);
  }

  /** One attempt of a run that was started again since. */
  async attempt(place: RunPlace, attempt: number, signal: AbortSignal): Promise<WorkflowRun | undefined> {
    return await this.#read(place, `${runsPath}/attempts/{attempt_number}`, { attempt_number: attempt }, signal);
  }

  /** The jobs of the newest attempt that did not end well, and in them the steps. One call, the first hundred jobs. */
  async failedJobs(place: RunPlace, signal: AbortSignal): Promise<FailedJob[]> {
    const { data } = await this.#api.read({
      path: `${runsPath}/jobs`,
      params: { ...runParams(place), filter: 'latest', per_page: pageSize },
      purpose: runPurpose(place, 'list the jobs of'),
      maxBytes: listMaxBytes,
      signal,
    });
    if (!fits(JobListSchema, data)) throw new Error('GitHub answered something that is no list of jobs');
    const failed: FailedJob[] = [];
    for (const { name, conclusion, steps = [] } of data.jobs) {
      if (!isFailure(conclusion)) continue;
      const failedSteps = steps.filter((step) => isFailure(step.conclusion)).map((step) => step.name);
      failed.push({ name, conclusion: conclusion ?? '', failedSteps });
    }
    return failed;
  }

  /** GitHub cancels when it comes to it. False: 409, the run has ended or is being cancelled. Repeating it does no harm. */
  async cancel(place: RunPlace, timeoutMs: number): Promise<boolean> {
    const answer = await this.#api.write({ path: `${runsPath}/cancel`, params: runParams(place), timeoutMs });
    if (isSuccess(answer)) return true;
    if (answer.status === 409) return false;
    throw refusalOf(answer, runPurpose(place, 'cancel', 'write'), this.#api.credential);
  }

  async #read(
    place: RunPlace,
    path: string,
    params: Readonly<Record<string, number>>,
    signal: AbortSignal,
  ): Promise<WorkflowRun | undefined> {
    const key = [place.repository.toLowerCase(), place.runId, ...Object.values(params)].join('/');
    const known = this.#known.get(key);
    const answer = await this.#api.read(
      {
        path,
        params: { ...runParams(place), ...params, exclude_pull_requests: true },
        purpose: runPurpose(place, 'read'),
        etag: known?.etag,
        signal,
      },
      { statuses: [404], is: undefined },
    );
    if (answer === undefined) return undefined;
    if (answer.status === 304 && known !== undefined) return known.run;
    const run = toWorkflowRun(answer.data);
    if (run === undefined)
      throw new Error(`GitHub answered something that is no run (${answer.status} ${wordsOf(answer)})`);
    const etag = etagOf(answer);
    if (etag !== undefined) this.#known.set(key, { etag, run });
    return run;
  }
}

export function placeParams({ repository, workflow }: Pick<RunSearch, 'repository' | 'workflow'>) {
  return { ...repositoryParams(repository), workflow_id: workflow };
}

export function workflowPurpose(
  { repository, workflow }: Pick<RunSearch, 'repository' | 'workflow'>,
  act: string,
  level = 'read',
): Purpose {
  return { act, subject: `workflow ${workflow} of ${repository}`, permission: `Actions: ${level} on ${repository}` };
}

function runPurpose({ repository, runId }: RunPlace, act: string, level = 'read'): Purpose {
  const subject = `run ${runId} of ${repository}`;
  return { act: `${act} ${subject}`, subject, permission: `Actions: ${level} on ${repository}` };
}

function repositoryParams(repository: string) {
  const [owner, repo] = repository.split('/');
  return { owner, repo };
}

function runParams({ repository, runId }: RunPlace) {
  return { ...repositoryParams(repository), run_id: runId };
}

const dispatchedParams = { event: 'workflow_dispatch', exclude_pull_requests: true, per_page: pageSize };

function searchParams({ created }: RunSearch) {
  return {
    ...dispatchedParams,
    ...(created === undefined ? {} : { created: `${toSeconds(created.from)}..${toSeconds(created.to)}` }),
  };
}

function toSeconds(time: EpochMs): string {
  return toIsoTime(time).replace(/\.\d{3}Z$/, 'Z');
}

/** All or nothing: a run that is left out could be the one that makes another not the only one. */
function runsIn(answer: GitHubAnswer): WorkflowRun[] {
  return entriesIn(answer).map((entry) => toWorkflowRun(entry) ?? throwNoList(answer));
}

function entriesIn(answer: GitHubAnswer): readonly unknown[] {
  return fits(RunListSchema, answer.data) ? answer.data.workflow_runs : throwNoList(answer);
}

function throwNoList({ status }: GitHubAnswer): never {
  throw new Error(`GitHub answered something that is no list of runs (${status})`);
}

function timeOf({ headers }: GitHubAnswer): EpochMs | undefined {
  const time = Date.parse(headers.date ?? '');
  return Number.isNaN(time) ? undefined : time;
}

function isFailure(conclusion: string | null): boolean {
  return conclusion !== null && !['success', 'skipped', 'neutral'].includes(conclusion);
}
