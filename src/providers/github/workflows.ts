import { Type } from '@sinclair/typebox';
import { LruMap } from '../../core/lru-map.ts';
import { fits } from '../../core/schema.ts';
import type { Clock } from '../../core/time.ts';
import { wordsOf } from './answer-words.ts';
import { complainsOf, type GitHubApi, isSuccess } from './github-api.ts';
import type { GitHubAnswer } from './octokit-transport.ts';
import { refusalOf } from './refusal.ts';
import { placeParams, workflowPurpose } from './workflow-runs.ts';

const dispatchPath = '/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches';
const runDetailsFlag = 'return_run_details';
const rememberedWorkflows = 1_000;

const WorkflowSchema = Type.Object({ id: Type.Integer() });
/** The types of @octokit/rest 22 lack it. */
const RunDetailsSchema = Type.Object({ workflow_run_id: Type.Integer(), html_url: Type.Optional(Type.String()) });

export interface WorkflowPlace {
  /** `acme/shop` */
  readonly repository: string;
  /** File name or id. */
  readonly workflow: string;
}

export interface WorkflowDispatch extends WorkflowPlace {
  readonly ref: string;
  readonly inputs: Readonly<Record<string, string>>;
}

export interface StartedRun {
  readonly runId: number;
  /** The page for people. */
  readonly runUrl: string;
}

/** GitHub said yes, but which run it started cannot be read from its answer. */
export class RunNotNamed extends Error {
  constructor(answer: GitHubAnswer) {
    const words = wordsOf(answer);
    super(`GitHub accepted the dispatch (${answer.status}) but named no run${words === '' ? '' : `: ${words}`}`);
    this.name = 'RunNotNamed';
  }
}

/** Workflows: naming and starting them. */
export class Workflows {
  readonly #api: GitHubApi;
  readonly #clock: Clock;
  readonly #ids = new LruMap<string, number>(rememberedWorkflows);
  #sendsFlag: boolean;
  #namesRuns = false;

  constructor(api: GitHubApi, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
    // github.com needs none with its newest version, and that no longer knows the flag.
    this.#sendsFlag = api.isEnterpriseServer;
  }

  /** Whether the newest dispatch that was accepted came back with its run's id. */
  get namesRuns(): boolean {
    return this.#namesRuns;
  }

  dispatchUrl({ repository, workflow }: WorkflowPlace): string {
    return `${this.#api.baseUrl}/repos/${repository}/actions/workflows/${encodeURIComponent(workflow)}/dispatches`;
  }

  /** Where people see the workflow's runs. */
  pageUrl({ repository, workflow }: WorkflowPlace): string {
    return `${this.#api.webUrl}/${repository}/actions/workflows/${encodeURIComponent(workflow)}`;
  }

  /** Two names may mean one workflow: its file, and its number. */
  async idOf(place: WorkflowPlace, signal: AbortSignal): Promise<number> {
    if (/^\d+$/.test(place.workflow)) return Number(place.workflow);
    const key = `${place.repository}/${place.workflow}`.toLowerCase();
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const { data } = await this.#api.read({
      path: '/repos/{owner}/{repo}/actions/workflows/{workflow_id}',
      params: placeParams(place),
      purpose: workflowPurpose(place, `read workflow ${place.workflow} of ${place.repository}`),
      signal,
    });
    if (!fits(WorkflowSchema, data)) throw new Error('GitHub answered something that is no workflow');
    this.#ids.set(key, data.id);
    return data.id;
  }

  /**
   * One POST, but for one that was refused because of a word in it. Throws Rejected and NotSent where nothing was started,
   * RunNotNamed where something was, and anything else where it cannot be told.
   */
  async dispatch(dispatch: WorkflowDispatch, timeoutMs: number): Promise<StartedRun> {
    const deadline = this.#clock.now() + timeoutMs;
    const withFlag = this.#sendsFlag;
    let answer = await this.#post(dispatch, withFlag, timeoutMs);
    if (withFlag && complainsOf(answer, runDetailsFlag)) {
      this.#sendsFlag = false;
      answer = await this.#post(dispatch, false, Math.max(1, deadline - this.#clock.now()));
    }
    if (!isSuccess(answer)) {
      const { workflow, ref, repository } = dispatch;
      const purpose = workflowPurpose(dispatch, `start ${workflow} at ${ref} in ${repository}`, 'write');
      throw refusalOf(answer, purpose, this.#api.credential);
    }
    this.#namesRuns = fits(RunDetailsSchema, answer.data);
    if (!fits(RunDetailsSchema, answer.data)) throw new RunNotNamed(answer);
    const { workflow_run_id: runId, html_url: runUrl } = answer.data;
    return { runId, runUrl: runUrl ?? `${this.#api.webUrl}/${dispatch.repository}/actions/runs/${runId}` };
  }

  async #post(
    { ref, inputs, ...place }: WorkflowDispatch,
    withFlag: boolean,
    timeoutMs: number,
  ): Promise<GitHubAnswer> {
    const flag = withFlag ? { [runDetailsFlag]: true } : {};
    return await this.#api.write({
      path: dispatchPath,
      params: { ...placeParams(place), ref, inputs, ...flag },
      timeoutMs,
    });
  }
}
