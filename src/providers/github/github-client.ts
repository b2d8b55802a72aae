import type { ProviderTools } from '../../core/connection.ts';
import type { Release } from '../../core/signal.ts';
import { Account } from './account.ts';
import type { Authentication } from './authentication.ts';
import { DispatchLedger } from './dispatch-ledger.ts';
import { GitHubApi } from './github-api.ts';
import { OctokitTransport } from './octokit-transport.ts';
import { RateBudget } from './rate-budget.ts';
import { runSignal } from './run-signal.ts';
import { RunWatches } from './run-watches.ts';
import { type RunPlace, WorkflowRuns } from './workflow-runs.ts';
import { Workflows } from './workflows.ts';

export interface GitHubClientOptions {
  /** The first part of its signals' keys. */
  readonly connectionName: string;
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

/** Stands in the ledger for an execution that waits for its run and has not advanced since the start. */
const waiter = 'who waits for it';

/** What steps see of a GitHub. One per connection and process, so that all executions share its budget and its ledger. */
export class GitHubClient {
  readonly options: GitHubClientOptions;
  readonly account: Account;
  readonly workflows: Workflows;
  readonly runs: WorkflowRuns;
  readonly watches: RunWatches;
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
    this.watches = new RunWatches({ ...options, runs: this.runs, budget: this.budget, clock, log });
  }

  signalOf(place: RunPlace): string {
    return runSignal(this.options.connectionName, place);
  }

  /** Raises when the run may have changed. Who waits for a run has it, so that nobody else takes it for his own. */
  watch(place: RunPlace, raise: () => void): Release {
    if (!this.ledger.isOfAnother(place.runId, waiter)) this.ledger.bind(place.runId, waiter);
    return this.watches.subscribe(place, raise);
  }
}
