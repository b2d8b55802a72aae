import { exchange } from '../support/exchange.ts';
import type { RunPhase } from '../support/github/options.ts';
import type { RunSummary } from '../support/github/run-summary.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startVarnishStandIn } from '../support/varnish-stand-in.ts';

const repository = 'acme/shop';
const host = 'www.example.com';
const untilCompleted = [
  { status: 'queued', forMs: 300 },
  { status: 'in_progress', forMs: 1_500 },
];

/** The workflow files that the examples name, and their inputs. */
const workflowFiles = {
  'acceptance.yml': ['image', 'generation'],
  'nightly.yml': [],
  'release.yml': ['version'],
  'roll-back.yml': [],
  'smoke.yml': ['aftersync'],
} as const;
export type WorkflowFile = keyof typeof workflowFiles;

/** A GitHub with acme/shop, and a cache in front of www.example.com, on loopback addresses of this machine. */
export class StandIns {
  readonly #gitHub: GitHubStandIn;
  readonly #origin: Origin;
  readonly #cache: Awaited<ReturnType<typeof startVarnishStandIn>>;

  private constructor(gitHub: GitHubStandIn, origin: Origin, cache: Awaited<ReturnType<typeof startVarnishStandIn>>) {
    this.#gitHub = gitHub;
    this.#origin = origin;
    this.#cache = cache;
  }

  static async start(cleanup: AsyncDisposableStack): Promise<StandIns> {
    const workflows = Object.entries(workflowFiles).map(([file, inputs]) => {
      const declared = Object.fromEntries(inputs.map((name) => [name, {}]));
      return { file, on: { workflow_dispatch: { inputs: declared } } };
    });
    const gitHub = cleanup.use(await startGitHubStandIn({ repositories: [{ fullName: repository, workflows }] }));
    const origin = await startOrigin();
    cleanup.defer(() => origin.close());
    const cache = await startVarnishStandIn({ originPort: origin.port });
    cleanup.defer(() => cache.close());
    return new StandIns(gitHub, origin, cache);
  }

  /** On loopback. */
  get urls() {
    return { gitHub: this.#gitHub.url, cache: this.#cache.url };
  }

  /** All that were started so far, in their order. */
  get runs(): readonly RunSummary[] {
    return this.#gitHub.runs;
  }

  /** How the next runs of all workflows end; without a conclusion they go on until `complete`. */
  conclude(conclusion?: string): void {
    const end: RunPhase = conclusion === undefined ? { status: 'in_progress' } : { status: 'completed', conclusion };
    for (const file of Object.keys(workflowFiles)) {
      this.#gitHub.workflow(repository, file).plan = [...untilCompleted, end];
    }
  }

  complete(run: RunSummary): void {
    this.#gitHub.setRun(run.id, { status: 'completed', conclusion: 'success' });
  }

  /** From now on the cache holds the page, marked with the tag. */
  async publish(path: string, tag: string): Promise<void> {
    this.#origin.setHeaders(path, { 'cache-control': 'public, max-age=3600', xkey: tag });
    await exchange(this.#cache.url + path, { headers: { host } });
  }

  /** Whether the cache no longer held the page. It does now. */
  async wasPurged(path: string): Promise<boolean> {
    const { headers } = await exchange(this.#cache.url + path, { headers: { host } });
    return headers['x-cache'] === 'miss';
  }
}
