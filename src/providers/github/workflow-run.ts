import { type Static, Type } from '@sinclair/typebox';
import { fits } from '../../core/schema.ts';
import type { EpochMs } from '../../core/time.ts';

/** What we use of GitHub's schema workflow-run. */
const RunSchema = Type.Object({
  id: Type.Integer(),
  workflow_id: Type.Integer(),
  status: Type.Union([Type.String(), Type.Null()]),
  conclusion: Type.Union([Type.String(), Type.Null()]),
  html_url: Type.String(),
  display_title: Type.String(),
  head_branch: Type.Union([Type.String(), Type.Null()]),
  created_at: Type.String(),
  updated_at: Type.String(),
  run_attempt: Type.Optional(Type.Integer()),
  actor: Type.Optional(Type.Union([Type.Object({ login: Type.String() }), Type.Null()])),
});

/** Runs are kept by the thousand, and whose GitHub it is decides how long their texts are. */
const mostTextCharacters = 1_024;
const mostWordCharacters = 100;

export interface WorkflowRun {
  readonly id: number;
  readonly workflowId: number;
  /** queued, in_progress, …: an open list, of which only `completed` ends. */
  readonly status: string;
  readonly conclusion: string | undefined;
  /** 1, and more after each re-run. */
  readonly attempt: number;
  /** The page for people. */
  readonly url: string;
  /** The workflow's run-name, up to 1,024 characters: the only text in which a dispatch can leave something. */
  readonly title: string;
  readonly branch: string | undefined;
  readonly actor: string | undefined;
  readonly createdAt: EpochMs;
  /** When status or conclusion changed last, which for a run that has ended is its end. */
  readonly updatedAt: EpochMs;
}

/** How far a run is. */
export type RunState = Pick<WorkflowRun, 'status' | 'conclusion' | 'attempt' | 'updatedAt'>;

/** Without the run's texts, for who keeps many. */
export function stateOf({ status, conclusion, attempt, updatedAt }: WorkflowRun): RunState {
  return { status, conclusion, attempt, updatedAt };
}

/** Undefined where it is no run: an answer of a proxy, or of another version of the API. */
export function toWorkflowRun(value: unknown): WorkflowRun | undefined {
  return fits(RunSchema, value) ? fromSchema(value) : undefined;
}

function fromSchema(run: Static<typeof RunSchema>): WorkflowRun {
  return {
    id: run.id,
    workflowId: run.workflow_id,
    status: cut(run.status ?? '', mostWordCharacters),
    conclusion: cutOrAbsent(run.conclusion, mostWordCharacters),
    attempt: run.run_attempt ?? 1,
    url: cut(run.html_url, mostTextCharacters),
    title: cut(run.display_title, mostTextCharacters),
    branch: cutOrAbsent(run.head_branch, mostTextCharacters),
    actor: cutOrAbsent(run.actor?.login, mostWordCharacters),
    createdAt: Date.parse(run.created_at),
    updatedAt: Date.parse(run.updated_at),
  };
}

function cutOrAbsent(text: string | null | undefined, mostCharacters: number): string | undefined {
  return text === null || text === undefined ? undefined : cut(text, mostCharacters);
}

/** A copy where it cuts, since V8 would keep all of the text alive for a slice of it. */
function cut(text: string, mostCharacters: number): string {
  return text.length <= mostCharacters ? text : Buffer.from(text.slice(0, mostCharacters)).toString();
}

/** Examples of GitHub's own show `completed` events without a conclusion: only both together are the end. */
export function isEnded<R extends RunState>(run: R): run is R & { readonly conclusion: string } {
  return run.status === 'completed' && run.conclusion !== undefined;
}
