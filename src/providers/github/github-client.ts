import type { ProviderTools } from '../../core/connection.ts';
import { Account } from './account.ts';
import type { Authentication } from './authentication.ts';
import { DispatchLedger } from './dispatch-ledger.ts';
import { GitHubApi } from './github-api.ts';
import { OctokitTransport } from './octokit-transport.ts';
import { RateBudget } from './rate-budget.ts';
import { WorkflowRuns } from './workflow-runs.ts';
import { Workflows } from './workflows.ts';

export interface GitHubClientOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string;
  readonly authentication: Authentication;
  /** How long one write may take. */
  readonly sendTimeoutMs: number;
  /** How long after a dispatch its run may still turn up in lists. */
  readonly discoverForMs: number;
  /** The shortest pause between two looks at one run. */
  readonly pollIntervalMs: number;
}

/** What steps see of a GitHub. One per connection and process, so that all executions share its budget and its ledger. */
export class GitHubClient {
  readonly options: GitHubClientOptions;
  readonly account: Account;
  readonly workflows: Workflows;
  readonly runs: WorkflowRuns;
  readonly budget: RateBudget;
  readonly ledger: DispatchLedger;

  constructor(options: GitHubClientOptions, { fetch, log, clock }: ProviderTools) {
    const { baseUrl, authentication } = options;
    this.options = options;
    this.budget = new RateBudget(clock);
    this.ledger = new DispatchLedger(clock);
    const transport = new OctokitTransport({ baseUrl, authentication, fetch, log, clock });
    const credential = authentication.description;
    const api = new GitHubApi({ baseUrl, transport, budget: this.budget, clock, credential });
    this.account = new Account(api, authentication);
    this.workflows = new Workflows(api, clock);
    this.runs = new WorkflowRuns(api);
  }
}
