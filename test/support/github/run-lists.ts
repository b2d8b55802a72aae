import type { JsonObject } from '../../../src/core/json.ts';
import type { EpochMs } from '../../../src/core/time.ts';
import { type Answer, json } from './answer.ts';
import { type Call, requireRepository, requireWorkflow } from './call.ts';
import { type Run, runProgress } from './state.ts';
import { headShaOf, runView } from './views-of-runs.ts';

/** GET …/actions/runs and …/actions/workflows/{workflow_id}/runs, newest first. */
export function listRuns(call: Call): Answer {
  const repository = requireRepository(call);
  const workflow = call.params.workflow_id === undefined ? undefined : requireWorkflow(call);
  const { state, viewpoint } = call;
  const found = state.runs.filter(
    (run) =>
      run.repository === repository &&
      (workflow === undefined || run.workflow === workflow) &&
      run.listed &&
      viewpoint.now >= run.createdAt + state.listLagMs &&
      matches(run, call.query, viewpoint.now),
  );
  const place = workflow === undefined ? 'actions/runs' : `actions/workflows/${workflow.id}/runs`;
  const { items, link } = pageOf(found.toReversed(), call, `repositories/${repository.id}/${place}`);
  return json(200, { total_count: found.length, workflow_runs: items.map((run) => runView(run, viewpoint)) }, link);
}

function matches(run: Run, query: URLSearchParams, now: EpochMs): boolean {
  const { status, conclusion } = runProgress(run, now);
  const wanted = (name: string, ...values: (string | null)[]) => !query.has(name) || values.includes(query.get(name));
  return (
    wanted('actor', run.actor) &&
    wanted('branch', run.headBranch) &&
    wanted('event', run.event) &&
    wanted('head_sha', headShaOf(run)) &&
    wanted('check_suite_id', String(run.id)) &&
    // One value, which may also be a conclusion.
    wanted('status', status, conclusion) &&
    isWithin(Math.floor(run.createdAt / 1000) * 1000, query.get('created'))
  );
}

/**
 * GitHub's search syntax for dates: `2026-11-21`, `>=T`, `>T`, `<=T`, `<T`, `T..T`, `*..T`, `T..*`. A date alone is that
 * whole day. Source: docs.github.com, "Understanding the search syntax", query for dates.
 */
function isWithin(time: EpochMs, wanted: string | null): boolean {
  if (wanted === null || wanted === '') return true;
  const range = /^(.+)\.\.(.+)$/.exec(wanted);
  if (range !== null) {
    const [from = '*', to = '*'] = range.slice(1);
    return (from === '*' || time >= spanOf(from).first) && (to === '*' || time <= spanOf(to).last);
  }
  const [, comparison = '', date = ''] = /^(>=|>|<=|<)?(.+)$/.exec(wanted) ?? [];
  const { first, last } = spanOf(date);
  if (comparison === '>=') return time >= first;
  if (comparison === '>') return time > last;
  if (comparison === '<=') return time <= last;
  if (comparison === '<') return time < first;
  return time >= first && time <= last;
}

/** A text that is no date gives NaN, which nothing matches. */
function spanOf(date: string): { first: EpochMs; last: EpochMs } {
  const first = Date.parse(date);
  const wholeDay = /^\d{4}-\d{2}-\d{2}$/.test(date);
  return { first, last: first + (wholeDay ? 86_400_000 - 1 : 0) };
}

interface Page<T> {
  readonly items: readonly T[];
  /** Empty where one page holds all. */
  readonly link: Readonly<Record<string, string>>;
}

/** `place`: the path for Link, which GitHub builds on the repository's id and not on its name. */
export function pageOf<T>(all: readonly T[], { query, viewpoint }: Call, place: string): Page<T> {
  const perPage = Math.min(100, positive(query.get('per_page'), 30));
  const page = positive(query.get('page'), 1);
  // Search, which stands behind every filter, never gives more than a thousand.
  const filtered = ['actor', 'branch', 'check_suite_id', 'created', 'event', 'head_sha', 'status'].some((name) =>
    query.has(name),
  );
  const reachable = filtered ? all.slice(0, 1000) : all;
  const lastPage = Math.max(1, Math.ceil(reachable.length / perPage));
  const links: [name: string, page: number][] = [];
  if (page > 1) links.push(['prev', Math.min(page - 1, lastPage)]);
  if (page < lastPage) links.push(['next', page + 1], ['last', lastPage]);
  if (page > 1) links.push(['first', 1]);
  const link = links.map(([name, target]) => {
    const parameters = new URLSearchParams(query);
    parameters.set('page', String(target));
    return `<${viewpoint.apiUrl}/${place}?${parameters}>; rel="${name}"`;
  });
  return {
    items: reachable.slice((page - 1) * perPage, page * perPage),
    link: link.length > 0 ? { link: link.join(', ') } : {},
  };
}

function positive(text: string | null, otherwise: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}

/** A list whose items stand in the answer under `name`: jobs, artifacts. */
export function listUnderRun(call: Call, run: Run, list: { name: string; items: readonly JsonObject[] }): Answer {
  const place = `repositories/${run.repository.id}/actions/runs/${run.id}/${list.name}`;
  const { items, link } = pageOf(list.items, call, place);
  return json(200, { total_count: list.items.length, [list.name]: items }, link);
}
