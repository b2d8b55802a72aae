import type { EpochMs } from '../../core/time.ts';
import type { WorkflowRun } from '../../providers/github/workflow-run.ts';
import type { FoundRuns } from '../../providers/github/workflow-runs.ts';
import { marksIn } from './mark.ts';

export interface Search {
  readonly found: FoundRuns;
  /** As the run's title shows it. */
  readonly mark: string;
  /** Absent: only a run that shows the mark will do. */
  readonly unmarked?: UnmarkedSearch;
}

/** What a run without a mark must have to be taken for ours. */
export interface UnmarkedSearch {
  readonly branch: string;
  readonly actor: string;
  /** Runs that stood there before the dispatch. */
  readonly seen: readonly number[];
  /** Created within, by GitHub's time. */
  readonly from: EpochMs;
  readonly to: EpochMs;
  isOfAnother(runId: number): boolean;
}

export interface Choice {
  readonly run: WorkflowRun;
  /** Younger runs with the same mark: GitHub started more than one for a single request. */
  readonly duplicates: readonly WorkflowRun[];
}

/** The run that a dispatch started, if that can be told. */
export function chooseRun({ found, mark, unmarked }: Search): Choice | undefined {
  const [oldest, ...duplicates] = found.runs.filter((run) => marksIn(run.title).includes(mark)).sort(byAge);
  if (oldest !== undefined) return { run: oldest, duplicates };
  // Where not all could be listed, the only one that is left may not be the only one there is.
  if (unmarked === undefined || !found.isComplete) return undefined;
  const [candidate, ...others] = found.runs.filter((run) => couldBeOurs(run, unmarked));
  return candidate === undefined || others.length > 0 ? undefined : { run: candidate, duplicates: [] };
}

function couldBeOurs(run: WorkflowRun, { branch, actor, seen, from, to, isOfAnother }: UnmarkedSearch): boolean {
  return (
    run.branch === branch &&
    run.actor?.toLowerCase() === actor.toLowerCase() &&
    run.createdAt >= from &&
    run.createdAt <= to &&
    !seen.includes(run.id) &&
    marksIn(run.title).length === 0 &&
    !isOfAnother(run.id)
  );
}

function byAge(left: WorkflowRun, right: WorkflowRun): number {
  return left.createdAt - right.createdAt || left.id - right.id;
}
