import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { type DemoCache, startCache } from './cache.ts';
import { type DemoCluster, startCluster } from './cluster.ts';
import { RestApi } from './rest-api.ts';
import { DemoServer } from './server.ts';
import type { Timeline } from './timeline.ts';

/** Everything that the scenes play on. All of it listens on 127.0.0.1 only, but for a cluster of yours. */
export interface Stage {
  readonly timeline: Timeline;
  readonly server: DemoServer;
  readonly api: RestApi;
  readonly gitHub: GitHubStandIn;
  /** The website, and the cache in front of it. */
  readonly origin: Origin;
  readonly cache: DemoCache;
  readonly cluster: DemoCluster;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

export const repository = 'acme/shop';

/** How a run of each workflow goes. */
const plan = [
  { status: 'queued', forMs: 700 },
  { status: 'in_progress', forMs: 1_300 },
  { status: 'completed', conclusion: 'success' },
];

export interface StageOptions {
  readonly timeline: Timeline;
  readonly wantsVarnish: boolean;
  readonly wantsCluster: boolean;
  /** Ends every wait of the scenes. */
  readonly signal: AbortSignal;
  /** Where to leave what must be closed at the end, whatever happens until then. */
  readonly cleanup: AsyncDisposableStack;
}

export async function buildStage(options: StageOptions): Promise<Stage> {
  const { timeline, signal, cleanup } = options;
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-demo-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));

  const on = { workflow_dispatch: { inputs: { env: {} } } };
  const workflows = ['smoke.yml', 'deploy.yml'].map((file) => ({ file, plan, on }));
  const gitHub = await startGitHubStandIn({ repositories: [{ fullName: repository, workflows }] });
  cleanup.defer(() => gitHub.close());
  timeline.event('github', `a stand-in for GitHub with ${repository} at ${gitHub.url}`);

  const origin = await startOrigin();
  cleanup.defer(() => origin.close());
  signal.throwIfAborted();
  const cache = await timeline.waiting('starting the cache', startCache(origin.port, options.wantsVarnish));
  cleanup.defer(() => cache.close());
  timeline.event('cache', `${cache.description} at ${cache.url}`);

  signal.throwIfAborted();
  const cluster = await timeline.waiting('looking for a cluster', startCluster(options.wantsCluster));
  cleanup.defer(() => cluster.close());
  timeline.event('cluster', `${cluster.description} at ${cluster.url}`);

  signal.throwIfAborted();
  const around = { gitHubUrl: gitHub.url, cacheUrl: cache.url, kubeconfig: cluster.standIn?.kubeconfig };
  const server = await timeline.waiting('starting aftersync', DemoServer.start({ folder, ...around }));
  cleanup.defer(() => server.stop());
  timeline.event('aftersync', `serves ${server.url}, with its state in SQLite below ${folder}`, 'bold');
  return { timeline, server, api: new RestApi(server.url, signal), gitHub, origin, cache, cluster, signal };
}
