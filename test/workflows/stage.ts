import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { JsonObject } from '../../src/core/json.ts';
import { exchange } from '../support/exchange.ts';
import type { RunPhase } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { Cluster, nameOf, type ObjectName } from '../support/kubevela/cluster.ts';
import { installKubeVela } from '../support/kubevela/crds.ts';
import { DeploymentController } from '../support/kubevela/deployment-controller.ts';
import { withSubSteps } from '../support/kubevela/execute-workflow.ts';
import type { Application, StepStatus, WorkflowRun } from '../support/kubevela/objects.ts';
import { stepsOf, WorkflowEngine, type WorkflowEngineOptions } from '../support/kubevela/workflow-engine.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { startVarnish } from '../support/varnish.ts';
import { type Configure, Executor } from './executor.ts';

export const examplesFolder = join(import.meta.dirname, '../../examples');
const host = 'www.example.com';

/** The name of a file in examples/, without its ending. */
export function readExample<T extends Application | WorkflowRun>(name: string): T {
  return parse(readFileSync(join(examplesFolder, `${name}.yaml`), 'utf8')) as T;
}

/** The same for a component, an Application and a tag of another name. */
export function named(example: Application, name: string): Application {
  return JSON.parse(JSON.stringify(example).replaceAll(example.metadata.name, name)) as Application;
}

const runs: readonly RunPhase[] = [
  { status: 'queued', forMs: 50 },
  { status: 'in_progress', forMs: 150 },
  { status: 'completed', conclusion: 'success' },
];
/** The workflow files that the examples name, with the inputs that they are said to have. */
const inputsOf: Readonly<Record<string, readonly string[]>> = {
  'acceptance.yml': ['image', 'generation'],
  'nightly.yml': [],
  'release.yml': ['version'],
  'roll-back.yml': [],
  'smoke.yml': ['aftersync'],
};

/** All that a workflow meets: KubeVela's engine on a real API server, our server, a GitHub, and a real Varnish with its origin. */
export class WorkflowStage {
  readonly kubernetes: Kubernetes;
  readonly cluster: Cluster;
  readonly controller: DeploymentController;
  readonly gitHub: GitHubStandIn;
  readonly executor: Executor;
  readonly engine: WorkflowEngine;
  readonly #engines: WorkflowEngine[];
  readonly #origin: Origin;
  readonly #cache: Awaited<ReturnType<typeof startVarnish>>;

  private constructor(parts: {
    readonly kubernetes: Kubernetes;
    readonly controller: DeploymentController;
    readonly gitHub: GitHubStandIn;
    readonly executor: Executor;
    readonly engine: WorkflowEngine;
    readonly origin: Origin;
    readonly cache: Awaited<ReturnType<typeof startVarnish>>;
  }) {
    this.kubernetes = parts.kubernetes;
    this.cluster = parts.engine.cluster;
    this.controller = parts.controller;
    this.gitHub = parts.gitHub;
    this.executor = parts.executor;
    this.engine = parts.engine;
    this.#engines = [parts.engine];
    this.#origin = parts.origin;
    this.#cache = parts.cache;
  }

  static async set({
    configure,
    ...options
  }: Partial<WorkflowEngineOptions> & { readonly configure?: Configure } = {}): Promise<WorkflowStage> {
    const [kubernetes, origin, gitHub] = await Promise.all([
      startKubernetes(),
      startOrigin(),
      startGitHubStandIn({
        repositories: [
          {
            fullName: 'acme/shop',
            workflows: Object.entries(inputsOf).map(([file, inputs]) => ({
              file,
              on: { workflow_dispatch: { inputs: Object.fromEntries(inputs.map((name) => [name, {}])) } },
              runName: `${file} \${{ inputs.aftersync }}`,
              plan: runs,
            })),
          },
        ],
      }),
    ]);
    await installKubeVela(new Cluster(kubernetes));
    const controller = await DeploymentController.start(kubernetes);
    const cache = await startVarnish({ originPort: origin.port });
    const executor = await Executor.start({ gitHubUrl: gitHub.url, cacheUrl: cache.url, kubernetes }, configure);
    const services = { 'http://aftersync.vela-system:8080': executor.url };
    const engine = await WorkflowEngine.start({ kubernetes, version: '1.10', services, ...options });
    return new WorkflowStage({ kubernetes, controller, gitHub, executor, engine, origin, cache });
  }

  /** A namespace of its own, with an engine of its own that ends with the stage. The stage's own must look after another one. */
  async engineIn(namespace: string, options: Partial<WorkflowEngineOptions> = {}): Promise<WorkflowEngine> {
    await this.cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    const engine = await WorkflowEngine.start({
      kubernetes: this.kubernetes,
      version: '1.10',
      services: { 'http://aftersync.vela-system:8080': this.executor.url },
      namespace,
      ...options,
    });
    this.#engines.push(engine);
    return engine;
  }

  /** Of all its engines. */
  get errors(): readonly Error[] {
    return this.#engines.flatMap(({ errors }) => errors);
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
    await this.executor.close();
    await this.controller.close();
    await this.#cache.close();
    await this.#origin.close();
    await this.gitHub.close();
    await this.kubernetes.close();
  }

  /** Creates what stands in an example, changed as a test wants it. */
  async apply<T extends Application | WorkflowRun>(object: T): Promise<Subject<T>> {
    return new Subject<T>(this.cluster, nameOf(await this.cluster.create<T>(object)));
  }

  /** The origin marks its pages at that path with the tag. A visit that the cache answers is a hit. */
  async publish(path: string, tag: string): Promise<void> {
    this.#origin.setHeaders(path, { 'cache-control': 'public, max-age=3600', xkey: tag });
    await this.visit(path);
    assert.equal(await this.visit(path), 'hit');
  }

  async visit(path: string): Promise<'hit' | 'miss'> {
    const before = this.#origin.hits(path);
    await exchange(this.#cache.url + path, { headers: { host } });
    return this.#origin.hits(path) === before ? 'hit' : 'miss';
  }

  /** As our server tells of it; an empty object where it knows none of that id. */
  async execution(id: string, namespace = 'default'): Promise<ExecutionAnswer> {
    const response = await fetch(`${this.executor.url}/v1/executions/${id}?namespace=${namespace}`);
    return response.ok ? ((await response.json()) as ExecutionAnswer) : {};
  }

  async executions(namespace: string): Promise<readonly ExecutionAnswer[]> {
    const response = await fetch(`${this.executor.url}/v1/executions?namespace=${namespace}`);
    return ((await response.json()) as { readonly items: readonly ExecutionAnswer[] }).items;
  }

  /** The runs of a workflow that GitHub really started. */
  runsOf(file: string) {
    return this.gitHub.runs.filter(({ workflow }) => workflow === file);
  }
}

export interface ExecutionAnswer {
  readonly state?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly outputs?: JsonObject;
}

/** An Application or a WorkflowRun in the cluster. */
export class Subject<T extends Application | WorkflowRun> {
  readonly name: ObjectName;
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, name: ObjectName) {
    this.#cluster = cluster;
    this.name = name;
  }

  async read(): Promise<T> {
    return (await this.#cluster.get<T>(this.name)) ?? assert.fail(`${this.name.kind} ${this.name.name} is gone`);
  }

  /** `step`: one that must be in the status first. */
  until(isSo: (object: T) => boolean, step?: string): Promise<T> {
    const has = (object: T) => step === undefined || step in phasesOf(object);
    return this.#cluster.waitFor<T>(this.name, (object) => has(object) && isSo(object));
  }

  /** As soon as its workflow, of that revision where one is named, has ended. */
  ended(revision?: string): Promise<T> {
    return this.until((object) => {
      const { appRevision, finished } = workflowOf(object);
      return finished === true && (revision === undefined || appRevision === revision);
    });
  }
}

export function workflowOf({ status }: Application | WorkflowRun) {
  const workflow = status !== undefined && 'workflow' in status ? status.workflow : status;
  return (workflow ?? {}) as { readonly appRevision?: string; readonly finished?: boolean; readonly status?: string };
}

/** A step or sub-step in the status. */
export function stepOf(object: Application | WorkflowRun, name: string): StepStatus {
  const all = withSubSteps(stepsOf(object));
  return all.find((step) => step.name === name) ?? assert.fail(`no step ${name} in ${JSON.stringify(stepsOf(object))}`);
}

/** Name and phase of each step, sub-steps after their group. */
export function phasesOf(object: Application | WorkflowRun): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(withSubSteps(stepsOf(object)).map(({ name, phase }) => [name, phase]));
}
