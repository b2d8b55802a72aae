import type { WorkflowOptions } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { Cluster, nameOf } from '../support/kubevela/cluster.ts';
import { installKubeVela } from '../support/kubevela/crds.ts';
import type { Application, ApplicationSpec } from '../support/kubevela/objects.ts';
import { WorkflowEngine, type WorkflowEngineOptions } from '../support/kubevela/workflow-engine.ts';
import { Executor } from '../workflows/executor.ts';
import { Subject } from '../workflows/stage.ts';

type Workflow = NonNullable<ApplicationSpec['workflow']>;

/** KubeVela's engine on a real API server in this process, our server with proof of origin in another. */
export interface KubevelaBench extends AsyncDisposable {
  readonly kubernetes: Kubernetes;
  readonly cluster: Cluster;
  readonly gitHub: GitHubStandIn;
  readonly executor: Executor;
  readonly engine: WorkflowEngine;
  /** An Application that consists of this workflow. */
  apply(name: string, workflow: Workflow): Promise<Subject<Application>>;
}

const namespace = 'default';

export interface KubevelaBenchOptions extends Partial<WorkflowEngineOptions> {
  /** In acme/shop. */
  readonly workflows: readonly WorkflowOptions[];
}

export async function openKubevelaBench({ workflows, ...options }: KubevelaBenchOptions): Promise<KubevelaBench> {
  await using opened = new AsyncDisposableStack();
  const kubernetes = opened.use(await startKubernetes());
  const cluster = new Cluster(kubernetes);
  await installKubeVela(cluster);
  const gitHub = opened.use(
    await startGitHubStandIn({ requestsPerHour: 1_000_000, repositories: [{ fullName: 'acme/shop', workflows }] }),
  );
  const executor = await Executor.start({
    gitHubUrl: gitHub.url,
    // Nobody purges here.
    cacheUrl: 'http://127.0.0.1:9',
    kubernetes,
  });
  opened.defer(() => executor.close());
  const services = { 'http://aftersync.vela-system:8080': executor.url };
  // The CUE of 1.11 is the quicker one.
  const engine = await WorkflowEngine.start({ kubernetes, version: '1.11', services, ...options });
  opened.defer(() => engine.close());
  const rest = opened.move();
  return {
    kubernetes,
    cluster,
    gitHub,
    executor,
    engine,
    async apply(name, workflow) {
      const type = { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' };
      const application: Application = { ...type, metadata: { name, namespace }, spec: { components: [], workflow } };
      return new Subject<Application>(cluster, nameOf(await cluster.create<Application>(application)));
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
