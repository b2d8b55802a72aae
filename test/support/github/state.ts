import type { EpochMs } from '../../../src/core/time.ts';
import type { InstallationToken } from './apps.ts';
import type {
  AppOptions,
  ArtifactOptions,
  Inputs,
  JobOptions,
  RepositoryOptions,
  RunPhase,
  StandInOptions,
  TokenOptions,
  Triggers,
  WorkflowOptions,
} from './options.ts';
import { STAND_IN_TOKEN } from './options.ts';
import { type PhaseScript, type Progress, progressOf } from './run-progress.ts';

export interface Repository {
  readonly id: number;
  readonly owner: string;
  readonly name: string;
  readonly fullName: string;
  readonly defaultBranch: string;
  /** Branches and tags. */
  readonly refs: ReadonlySet<string>;
  readonly workflows: readonly Workflow[];
}

export interface Workflow {
  readonly id: number;
  readonly file: string;
  readonly path: string;
  readonly name: string;
  readonly on: Triggers;
  readonly runName: NonNullable<WorkflowOptions['runName']>;
  readonly jobs: readonly JobOptions[];
  readonly artifacts: readonly ArtifactOptions[];
  /** For runs that start from now on. */
  plan: readonly RunPhase[];
  state: NonNullable<WorkflowOptions['state']>;
  cancelTakesMs: number;
  ignoresCancel: boolean;
  runsStarted: number;
}

export interface Run {
  readonly id: number;
  readonly repository: Repository;
  readonly workflow: Workflow;
  readonly runNumber: number;
  readonly event: 'workflow_dispatch' | 'repository_dispatch';
  readonly headBranch: string;
  readonly displayTitle: string;
  readonly inputs: Inputs;
  readonly actor: string;
  readonly createdAt: EpochMs;
  script: PhaseScript;
  runAttempt: number;
  attemptStartedAt: EpochMs;
  /** False: lists have lost it, as GitHub's search-backed lists sometimes do. */
  listed: boolean;
}

export interface NewRun {
  readonly repository: Repository;
  readonly workflow: Workflow;
  readonly event: Run['event'];
  readonly headBranch: string;
  readonly displayTitle: string;
  readonly inputs: Inputs;
  readonly actor: string;
}

/** Absent fields stay as they are, except that a new `status` without `conclusion` has none. */
export interface RunChange {
  readonly status?: string;
  readonly conclusion?: string | null;
  readonly runAttempt?: number;
  readonly listed?: boolean;
}

/** Beyond 32 bits, like today's real ones. */
const FIRST_RUN_ID = 17_000_000_001;
const ONE_JOB: readonly JobOptions[] = [{ name: 'build', steps: ['Set up job', 'Run tests', 'Complete job'] }];

/** All that the stand-in remembers about repositories and runs. */
export class GitHubState {
  readonly tokens: readonly TokenOptions[];
  apps: readonly AppOptions[];
  /** Those that were given out and not revoked. */
  installationTokens: InstallationToken[] = [];
  readonly repositories: readonly Repository[];
  readonly runs: Run[] = [];
  listLagMs: number;
  #tokensGivenOut = 0;

  constructor(options: StandInOptions) {
    this.tokens = options.tokens ?? [{ token: STAND_IN_TOKEN, login: 'octocat' }];
    this.apps = options.apps ?? [];
    this.repositories = (options.repositories ?? []).map(createRepository);
    this.listLagMs = options.listLagMs ?? 0;
  }

  /** GitHub's names of owners and repositories ignore case. */
  findRepository(fullName: string): Repository | undefined {
    return this.repositories.find((repository) => repository.fullName.toLowerCase() === fullName.toLowerCase());
  }

  nextTokenNumber(): number {
    this.#tokensGivenOut += 1;
    return this.#tokensGivenOut;
  }

  createRun(run: NewRun, now: EpochMs): Run {
    run.workflow.runsStarted += 1;
    const created: Run = {
      ...run,
      id: FIRST_RUN_ID + this.runs.length,
      runNumber: run.workflow.runsStarted,
      createdAt: now,
      script: { phases: run.workflow.plan, startedAt: now },
      runAttempt: 1,
      attemptStartedAt: now,
      listed: true,
    };
    this.runs.push(created);
    return created;
  }

  setRun(id: number, change: RunChange, now: EpochMs): void {
    const run = this.runs.find((candidate) => candidate.id === id);
    if (run === undefined) throw new Error(`no run ${id}`);
    if (change.listed !== undefined) run.listed = change.listed;
    if (change.runAttempt !== undefined) {
      run.runAttempt = change.runAttempt;
      run.attemptStartedAt = now;
    }
    const before = progressOf(run.script, now);
    if (change.status === undefined && change.conclusion === undefined) return;
    const phase = { status: change.status ?? before.status, conclusion: change.conclusion ?? null };
    run.script = { phases: [phase], startedAt: now };
  }
}

/** By id, by file name, or by path, all of which GitHub takes. */
export function findWorkflow(repository: Repository, idOrFile: string): Workflow | undefined {
  return repository.workflows.find(({ id, file, path }) => [String(id), file, path].includes(idOrFile));
}

export function runProgress(run: Run, now: EpochMs): Progress {
  return progressOf(run.script, now);
}

function createRepository(options: RepositoryOptions, index: number): Repository {
  const [owner, name, ...rest] = options.fullName.split('/');
  if (!owner || !name || rest.length > 0) throw new Error(`'${options.fullName}' is not an owner/name`);
  const id = 1_296_269 + index;
  const defaultBranch = options.defaultBranch ?? 'main';
  return {
    id,
    owner,
    name,
    fullName: options.fullName,
    defaultBranch,
    refs: new Set([defaultBranch, ...(options.refs ?? [])]),
    workflows: (options.workflows ?? []).map((workflow, position) => createWorkflow(workflow, id * 1000 + position)),
  };
}

function createWorkflow(options: WorkflowOptions, id: number): Workflow {
  const path = `.github/workflows/${options.file}`;
  const name = options.name ?? path;
  return {
    id,
    file: options.file,
    path,
    name,
    on: options.on ?? { workflow_dispatch: {} },
    runName: options.runName ?? name,
    jobs: options.jobs ?? ONE_JOB,
    artifacts: options.artifacts ?? [],
    plan: options.plan ?? [{ status: 'queued' }],
    state: options.state ?? 'active',
    cancelTakesMs: options.cancelTakesMs ?? 0,
    ignoresCancel: options.ignoresCancel ?? false,
    runsStarted: 0,
  };
}
