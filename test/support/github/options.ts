import type { Clock } from '../../../src/core/time.ts';

/**
 * What a stand-in starts with. All but `clock` and a `runName` function is plain JSON, so that a stand-in in another
 * process takes the same options.
 */
export interface StandInOptions {
  readonly repositories?: readonly RepositoryOptions[];
  /** Default: one user, octocat, whose token is STAND_IN_TOKEN and who may do everything. */
  readonly tokens?: readonly TokenOptions[];
  /** Default: none. */
  readonly apps?: readonly AppOptions[];
  /** Version of GitHub Enterprise Server to imitate, such as '3.20'; absent: github.com. */
  readonly ghes?: string;
  /** How long a new run is missing from lists; GET by id finds it at once. Default 0. */
  readonly listLagMs?: number;
  /** Requests per hour and token. Default 5000 on github.com; Enterprise Server has no limit unless given. */
  readonly requestsPerHour?: number;
  /** What a server makes of `return_run_details` in a dispatch: default 'honoured' where it knows it, else 'ignored'. */
  readonly runDetailsFlag?: 'honoured' | 'ignored' | 'rejected';
  readonly clock?: Clock;
  /** Default 0: any free one. */
  readonly port?: number;
}

export interface TokenOptions {
  readonly token: string;
  readonly login: string;
  /** Default 'user'. An app's installation token cannot read GET /user. */
  readonly kind?: 'user' | 'app';
  /** Default 'write'. */
  readonly actions?: Permission;
  /** Default 'write'. */
  readonly contents?: Permission;
  /** Full names that the token can see; absent: all. */
  readonly repositories?: readonly string[];
}

/** A GitHub App. */
export interface AppOptions {
  readonly id: number;
  readonly clientId?: string;
  readonly slug: string;
  /** PEM: what its JSON Web Tokens are checked with. */
  readonly publicKey: string;
  readonly installations?: readonly InstallationOptions[];
  /** How long a new token gets 401. Default 0. */
  readonly tokenKnownAfterMs?: number;
  /** How long a new token gets 403. Default 0. */
  readonly tokenPermittedAfterMs?: number;
}

export interface InstallationOptions {
  readonly id: number;
  /** `acme` */
  readonly owner: string;
  /** Their names without the owner; absent: all of the owner. */
  readonly repositories?: readonly string[];
  /** Default 'write'. */
  readonly actions?: Permission;
  /** Default 'none'. */
  readonly contents?: Permission;
  readonly isSuspended?: boolean;
}

export type Permission = 'none' | 'read' | 'write';

export interface RepositoryOptions {
  /** 'acme/shop' */
  readonly fullName: string;
  /** Default 'main'. */
  readonly defaultBranch?: string;
  /** Further branches and tags. */
  readonly refs?: readonly string[];
  readonly workflows?: readonly WorkflowOptions[];
}

/** Named like the keys of a workflow file where it has such keys. */
export interface WorkflowOptions {
  /** 'smoke.yml', in .github/workflows */
  readonly file: string;
  /** Default: the file's path, as at GitHub. */
  readonly name?: string;
  /** Default `{ workflow_dispatch: {} }`. */
  readonly on?: Triggers;
  /** Title of a run: text with `${{ inputs.NAME }}`, or a function. Default: the workflow's name. */
  readonly runName?: string | ((inputs: Inputs) => string);
  /** What a run goes through. Default: queued until setRun says otherwise. */
  readonly plan?: readonly RunPhase[];
  /** Default: one job `build` of three steps. */
  readonly jobs?: readonly JobOptions[];
  /** Uploaded when a run completes. */
  readonly artifacts?: readonly ArtifactOptions[];
  readonly state?: 'active' | 'disabled_manually';
  /** Between the 202 and the run's end. Default 0. */
  readonly cancelTakesMs?: number;
  /** As with steps under `if: always()`: only force-cancel ends a run. */
  readonly ignoresCancel?: boolean;
}

export interface Triggers {
  readonly workflow_dispatch?: { readonly inputs?: Readonly<Record<string, InputOptions>> };
  /** Without `types` every event type starts the workflow. */
  readonly repository_dispatch?: { readonly types?: readonly string[] };
}

export interface InputOptions {
  readonly required?: boolean;
  readonly default?: string;
}

export type Inputs = Readonly<Record<string, unknown>>;

/** Without `forMs` a phase lasts until setRun, cancel or force-cancel. */
export interface RunPhase {
  readonly status: string;
  readonly conclusion?: string | null;
  readonly forMs?: number;
}

export interface JobOptions {
  readonly name: string;
  readonly steps: readonly string[];
  /** The step that is to blame when the run fails. Default: the last step of the first job. */
  readonly failingStep?: string;
}

export interface ArtifactOptions {
  readonly name: string;
  readonly sizeInBytes?: number;
  readonly expired?: boolean;
}

/** Holder: octocat. */
export const STAND_IN_TOKEN = 'stand-in-token';
