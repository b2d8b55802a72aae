import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { loadConfig } from '../../src/config.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { connectionTypes, type Server, serve } from '../../src/main.ts';
import { steps } from '../../src/steps/index.ts';
import { eventually } from '../support/eventually.ts';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import { type Kubernetes, startKubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { Cluster, type ObjectName } from '../support/kubevela/cluster.ts';
import { installKubeVela } from '../support/kubevela/crds.ts';
import type { StepStatus, WorkflowStep } from '../support/kubevela/objects.ts';
import { ManualClock } from '../support/manual-clock.ts';

const owner = 'shop';
const revisionHash = '5f0c3f0a9c1d2e3b';

/** An Application as KubeVela leaves it between two ticks. */
export interface Standing {
  readonly name: string;
  /** Default `shop`, the only one that the connection to GitHub is for. */
  readonly namespace?: string;
  readonly declared: readonly WorkflowStep[];
  readonly steps: readonly StepStatus[];
}

export interface ExecutionAnswer {
  readonly status: number;
  readonly state?: string;
  readonly reason?: string;
  readonly message?: string;
  /** Of a problem. */
  readonly code?: string;
  readonly detail?: string;
}

/** Our whole server on a clock of choice, a GitHub on the same one, and Applications in a real API server that nobody ticks. */
export class ForgeryStage {
  readonly kubernetes: Kubernetes;
  readonly cluster: Cluster;
  readonly gitHub: GitHubStandIn;
  readonly clock: ManualClock;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(parts: {
    readonly kubernetes: Kubernetes;
    readonly gitHub: GitHubStandIn;
    readonly clock: ManualClock;
    readonly server: Server;
    readonly folder: string;
  }) {
    this.kubernetes = parts.kubernetes;
    this.cluster = new Cluster(parts.kubernetes);
    this.gitHub = parts.gitHub;
    this.clock = parts.clock;
    this.#server = parts.server;
    this.#folder = parts.folder;
  }

  static async set(): Promise<ForgeryStage> {
    const clock = new ManualClock();
    const kubernetes = await startKubernetes();
    const cluster = new Cluster(kubernetes);
    await installKubeVela(cluster, 'without-workflow-runs');
    for (const name of [owner, 'other']) {
      await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    const on = { workflow_dispatch: { inputs: { tag: {} } } };
    const plan = [{ status: 'completed', conclusion: 'success' }];
    const repositories = [{ fullName: 'acme/shop', workflows: [{ file: 'smoke.yml', on, plan }] }];
    const gitHub = await startGitHubStandIn({ clock, repositories });
    const folder = await mkdtemp(join(tmpdir(), 'aftersync-forged-'));
    await writeFile(join(folder, 'token'), STAND_IN_TOKEN);
    const path = join(folder, 'aftersync.yaml');
    await writeFile(path, configuration(gitHub.url, kubernetes.adminKubeconfigPath));
    const config = await loadConfig({ path, cwd: folder, connectionTypes, steps, env: {} });
    const server = await serve(config, { clock, log: pino({ level: 'silent' }) });
    return new ForgeryStage({ kubernetes, gitHub, clock, server, folder });
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.gitHub.close();
    await this.kubernetes.close();
    await rm(this.#folder, { recursive: true });
  }

  async put({ name, namespace = owner, declared, steps }: Standing): Promise<void> {
    const apiVersion = 'core.oam.dev/v1beta1';
    const spec = { components: [], workflow: { steps: declared } };
    const application = { apiVersion, kind: 'Application', metadata: { name, namespace }, spec };
    const { metadata } = await this.cluster.create({ ...application });
    const revision = { name: `${name}-v1`, revision: 1, revisionHash };
    await this.cluster.create({
      apiVersion,
      kind: 'ApplicationRevision',
      metadata: {
        name: revision.name,
        namespace,
        labels: { 'app.oam.dev/name': name, 'app.oam.dev/app-revision-hash': revisionHash },
        ownerReferences: [{ apiVersion, kind: 'Application', name, uid: metadata.uid ?? '', controller: true }],
      },
      spec: { application: { ...application, status: {} }, compression: {} },
    } as Parameters<Cluster['create']>[0]);
    await this.stand({ name, namespace }, steps, { latestRevision: revision });
  }

  /** What KubeVela writes after a tick. */
  async stand(
    { name, namespace = owner }: Pick<Standing, 'name' | 'namespace'>,
    steps: readonly StepStatus[],
    more: JsonObject = {},
  ): Promise<void> {
    const flags = { suspend: false, terminated: false, finished: false };
    const workflow = { appRevision: `${name}-v1`, mode: 'StepByStep-DAG', status: 'executing', ...flags, steps };
    const status = { status: 'runningWorkflow', ...more, workflow };
    await this.cluster.mergePatchStatus(applicationName(name, namespace), { status });
  }

  /** A PUT as KubeVela sends it, or as somebody does who wants to look like it. */
  ask(id: string, body: JsonObject, query = ''): Promise<ExecutionAnswer> {
    return this.#call(`${id}${query}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  read(id: string, namespace = owner): Promise<ExecutionAnswer> {
    return this.#call(`${id}?namespace=${namespace}`, {});
  }

  /** Once it has ended. */
  async end(id: string, namespace = owner): Promise<ExecutionAnswer> {
    const isFinal = ({ state }: ExecutionAnswer) => state !== undefined && state !== 'pending' && state !== 'running';
    return await eventually(() => this.read(id, namespace), isFinal);
  }

  /** Recorded, looked at without a result, and after 30 s gone. */
  async assertForgotten(id: string, namespace = owner): Promise<void> {
    await eventually(
      () => this.read(id, namespace),
      ({ message = '' }) => /waiting for KubeVela/.test(message),
    );
    const recordedAt = this.clock.now();
    // Second by second: a look at the cluster that is under way may itself take 30 s, and no more.
    const aSecondLater = () => {
      this.clock.advance(1_000);
      return this.read(id, namespace);
    };
    await eventually(aSecondLater, ({ status }) => status === 404);
    assert.ok(this.clock.now() - recordedAt >= 30_000);
  }

  async #call(path: string, init: RequestInit): Promise<ExecutionAnswer> {
    const response = await fetch(`${this.#server.url}/v1/executions/${path}`, init);
    return { ...((await response.json()) as ExecutionAnswer), status: response.status };
  }
}

export function applicationName(name: string, namespace = owner): ObjectName {
  return { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name, namespace };
}

export function assertDenied({ state, reason, message = '' }: ExecutionAnswer, words: RegExp): void {
  assert.deepEqual([state, reason], ['failed', 'Denied']);
  assert.match(message, words);
}

function configuration(gitHubUrl: string, kubeconfig: string): string {
  return `server: { address: "127.0.0.1:0" }
store: { path: ":memory:" }
kubevela: {}
connections:
  - name: github
    type: github
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: ./token }
    allow: { namespaces: [${owner}], repositories: ["acme/*"] }
  - name: cluster
    type: kubernetes
    kubeconfigFile: ${kubeconfig}
`;
}
