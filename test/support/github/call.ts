import { notFound } from './answer.ts';
import type { Flavour } from './flavour.ts';
import type { AppOptions, TokenOptions } from './options.ts';
import type { RateLimits } from './rate-limits.ts';
import { findWorkflow, type GitHubState, type Repository, type Run, type Workflow } from './state.ts';
import type { Viewpoint } from './views-of-repositories.ts';

/** One authenticated request on its way to the handler of its route. */
export interface Call {
  readonly state: GitHubState;
  readonly flavour: Flavour;
  readonly rateLimits: RateLimits;
  readonly caller: TokenOptions & { readonly budget: string };
  /** Where the caller is an app that shows a JSON Web Token. */
  readonly app: AppOptions | undefined;
  /** The variable parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly bodyText: string;
  readonly viewpoint: Viewpoint;
}

/** What the caller cannot see does not exist, as at GitHub. */
export function requireRepository({ state, params, caller }: Call): Repository {
  const repository = state.findRepository(`${params.owner}/${params.repo}`);
  if (repository === undefined) throw notFound();
  const seen = caller.repositories?.map((name) => name.toLowerCase());
  if (seen !== undefined && !seen.includes(repository.fullName.toLowerCase())) throw notFound();
  return repository;
}

export function requireWorkflow(call: Call): Workflow {
  const workflow = findWorkflow(requireRepository(call), call.params.workflow_id ?? '');
  if (workflow === undefined) throw notFound();
  return workflow;
}

export function requireRun(call: Call): Run {
  const repository = requireRepository(call);
  const run = call.state.runs.find(({ id }) => String(id) === call.params.run_id);
  if (run === undefined || run.repository !== repository) throw notFound();
  return run;
}
