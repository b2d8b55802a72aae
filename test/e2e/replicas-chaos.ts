import { setTimeout as delay } from 'node:timers/promises';
import { type ExecutionState, type ExecutionStatus, isFinal } from '../../src/core/execution.ts';
import { startClusterWithExecutions } from '../store/kubernetes/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Fault } from '../support/github/faults.ts';
import { type GitHubStandIn, startGitHubStandIn } from '../support/github/stand-in.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { Cluster } from '../support/kubevela/cluster.ts';
import type { KubernetesObject } from '../support/kubevela/objects.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { Chronicle, type LogLine, Replica } from './replicas.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly executions: number;
  /** What becomes of the cluster in the middle: its API server is restarted, and later its etcd is gone for so long. */
  readonly etcdOutageMs?: number;
  /** Told of what is going on, in a line. */
  readonly onProgress?: (text: string) => void;
}

export interface ChaosReport {
  readonly counts: Readonly<Record<string, number>>;
  /** One story for each thing that is not as it must be. */
  readonly wrong: readonly string[];
}

const replicaCount = 3;
const namespace = 'chaos';
const leaseMs = 2_000;
const strikeEveryMs = 2_000;
const submitEveryMs = 200;
const tickEveryMs = 1_000;
const tellEveryMs = 1_000;
const answerWithinMs = 2_000;
/** From the last submission on. */
const endWithinMs = 240_000;
const collection = `/apis/aftersync.dev/v1alpha1/namespaces/${namespace}/stepexecutions`;
const leasesPath = '/apis/coordination.k8s.io/v1/namespaces/default/leases';

/** What GitHub does to one dispatch in five. */
const faults: readonly [Fault, ...Fault[]] = [
  { kind: 'accept-then-502' },
  { kind: 'accept-then-reset' },
  { kind: 'accept-then-hang' },
  { kind: 'slow', forMs: 500 },
  { kind: 'reject-502' },
  { kind: 'reset-before' },
  { kind: '429', retryAfterSeconds: 1 },
];

/** A StepExecution as the cluster has it. */
interface StoredRecord extends KubernetesObject {
  readonly spec: object;
  readonly status?: ExecutionStatus;
}

/** What a replica answers. */
interface Answer {
  readonly id: string;
  readonly state: ExecutionState;
  readonly reason?: string;
  readonly outputs: { readonly runId?: number };
}

/**
 * Replicas on a real API server that are killed and stopped while they start workflows at a GitHub that fails, too; and what
 * must hold afterwards. It ends by itself.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  await using resources = new AsyncDisposableStack();
  const kubernetes = resources.use(await startClusterWithExecutions([namespace]));
  const gitHub = resources.use(await startGitHubStandIn(standInOptions));
  const chronicle = new Chronicle();
  const replicaOptions = {
    kubernetes,
    gitHubUrl: gitHub.url,
    leaseMs,
    sendTimeoutMs: 1_000,
    discoverForMs: 3_000,
    pollIntervalMs: 300,
  };
  const replicas: Replica[] = [];
  for (let index = 0; index < replicaCount; index++) {
    const replica = await Replica.describe(index, replicaOptions, chronicle);
    resources.defer(() => replica.close());
    replicas.push(replica);
  }
  await Promise.all(replicas.map((replica) => replica.start()));
  return await new Chaos(options, { kubernetes, gitHub, chronicle, replicas }).run();
}

const standInOptions = {
  requestsPerHour: 10_000_000,
  repositories: [
    {
      fullName: 'acme/shop',
      workflows: ['marked.yml', 'unmarked.yml'].map((file) => ({
        file,
        on: { workflow_dispatch: { inputs: { execution: {}, mark: {} } } },
        // biome-ignore lint/suspicious/noTemplateCurlyInString: GitHub's expressions look like that.
        runName: file === 'marked.yml' ? 'run ${{ inputs.mark }}' : 'run',
        plan: [
          { status: 'queued', forMs: 500 },
          { status: 'in_progress', forMs: 2_500 },
          { status: 'completed', conclusion: 'success' },
        ],
      })),
    },
  ],
};

interface World {
  readonly kubernetes: Kubernetes;
  readonly gitHub: GitHubStandIn;
  readonly chronicle: Chronicle;
  readonly replicas: readonly Replica[];
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #ids: readonly string[];
  readonly #startedAt = Date.now();
  readonly #over = new AbortController();
  readonly #wrong: string[] = [];
  /** Those that a replica has said to have ended. */
  readonly #ended = new Map<string, Answer>();
  /** By execution, who has held it, as far as was seen. */
  readonly #holders = new Map<string, string[]>();
  readonly #counts = { killed: 0, stopped: 0, terminated: 0, 'failed starts': 0 };
  readonly #takeOvers: { readonly what: string; readonly holder: string; readonly at: number }[] = [];
  readonly #mendings = new Set<Promise<void>>();

  constructor(options: ChaosOptions, world: World) {
    this.#options = options;
    this.#world = world;
    this.#random = seededRandom(options.seed);
    this.#ids = Array.from({ length: options.executions }, (_, index) => `e${index}`);
  }

  async run(): Promise<ChaosReport> {
    const { etcdOutageMs } = this.#options;
    const beside = [
      this.#look(),
      this.#strike(),
      etcdOutageMs === undefined ? undefined : this.#breakCluster(etcdOutageMs),
    ];
    const giveUp = setTimeout(() => this.#over.abort(), this.#ids.length * submitEveryMs + endWithinMs);
    await Promise.all(this.#ids.map((id, index) => this.#ask(id, index)));
    clearTimeout(giveUp);
    this.#over.abort();
    await Promise.all(beside);
    await Promise.all(this.#mendings);
    await this.#judge();
    return { counts: this.#count(), wrong: this.#wrong };
  }

  /** As a workflow engine does: the same request again and again, to whichever replica, until it has ended. */
  async #ask(id: string, index: number): Promise<void> {
    const isMarked = hasMark(index);
    const body = JSON.stringify({
      step: 'trigger-github-action',
      with: {
        repository: 'acme/shop',
        workflow: isMarked ? 'marked.yml' : 'unmarked.yml',
        ref: 'main',
        inputs: { execution: id },
        ...(isMarked ? { correlation: { input: 'mark' } } : {}),
      },
      timeout: '30m',
    });
    if (this.#random.chance(0.2)) {
      const when = ({ body: sent }: { readonly body: string }) => sent.includes(`"execution":"${id}"`);
      this.#world.gitHub.fault('dispatch', { ...this.#random.pick(faults), when });
    }
    await this.#pause(index * submitEveryMs);
    while (!this.#over.signal.aborted) {
      const replica = this.#world.replicas[Math.floor(Math.random() * replicaCount)] as Replica;
      const answer = await this.#call(replica, 'PUT', id, body);
      if (answer !== undefined && isFinal(answer.state)) {
        this.#ended.set(id, answer);
        return;
      }
      await this.#pause(answer === undefined ? tickEveryMs / 4 : tickEveryMs);
    }
  }

  /** Undefined: there is no answer, or one that says that it should be asked for again. */
  async #call({ url }: Replica, method: string, id: string, body: string | null = null): Promise<Answer | undefined> {
    const signal = AbortSignal.timeout(answerWithinMs);
    const headers = { 'content-type': 'application/json' };
    const path = `${url}/v1/executions/${id}?namespace=${namespace}`;
    try {
      const response = await fetch(path, { method, headers, body, signal });
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as Answer;
      if (response.status < 500 && response.status !== 429) {
        this.#wrong.push(`${id}: ${method} was answered ${response.status} ${text}`);
        this.#over.abort();
      }
    } catch {
      // Killed, stopped, or not up again yet.
    }
    return undefined;
  }

  async #strike(): Promise<void> {
    for (;;) {
      await this.#pause(strikeEveryMs);
      if (this.#over.signal.aborted) return;
      const serving = this.#world.replicas.filter(({ isServing }) => isServing);
      const victim = serving[this.#random.below(serving.length)];
      // The last one is spared most of the time, or there would be little to strike at.
      if (victim === undefined || (serving.length === 1 && this.#random.chance(0.75))) continue;
      const dice = this.#random.below(10);
      const mending = dice < 4 ? this.#kill(victim) : dice < 8 ? this.#stop(victim) : this.#terminate(victim);
      this.#mendings.add(mending);
      void mending.finally(() => this.#mendings.delete(mending));
    }
  }

  async #kill(victim: Replica): Promise<void> {
    this.#counts.killed += 1;
    await victim.kill();
    await this.#start(victim);
  }

  async #terminate(victim: Replica): Promise<void> {
    this.#counts.terminated += 1;
    const startedAt = Date.now();
    await victim.terminate();
    const tookMs = Date.now() - startedAt;
    if (tookMs > 30_000) this.#wrong.push(`replica ${victim.index} took ${tookMs} ms to end after SIGTERM`);
    await this.#start(victim);
  }

  async #stop(victim: Replica): Promise<void> {
    this.#counts.stopped += 1;
    victim.pause();
    await delay(leaseMs * 1.1 + this.#random.below(2 * leaseMs));
    victim.resume();
  }

  /** As a kubelet would, until it runs. */
  async #start(replica: Replica): Promise<void> {
    for (let tries = 1; tries <= 20; tries++) {
      try {
        return await replica.start();
      } catch (error) {
        this.#counts['failed starts'] += 1;
        if (this.#options.etcdOutageMs === undefined) this.#wrong.push(`replica ${replica.index}: ${error}`);
        await delay(1_000);
      }
    }
  }

  async #breakCluster(etcdOutageMs: number): Promise<void> {
    const { kubernetes } = this.#world;
    const wholeMs = this.#ids.length * submitEveryMs;
    await this.#pause(wholeMs / 4);
    this.#options.onProgress?.('the API server restarts');
    await kubernetes.restartApiServer();
    await this.#pause(wholeMs / 4);
    this.#options.onProgress?.(`etcd is stopped for ${etcdOutageMs} ms`);
    await kubernetes.stopEtcd();
    await delay(etcdOutageMs);
    await kubernetes.startEtcd();
    this.#options.onProgress?.('etcd is back');
  }

  /** Who holds what, from change to change. */
  async #look(): Promise<void> {
    const type = { apiVersion: 'aftersync.dev/v1alpha1', kind: 'StepExecution' };
    const see = ({ object }: { readonly object: StoredRecord }) => this.#note(object);
    await new Cluster(this.#world.kubernetes).watch<StoredRecord>(type, see, this.#over.signal);
    while (!this.#over.signal.aborted) {
      this.#tell();
      await this.#pause(tellEveryMs);
    }
  }

  async #records(): Promise<readonly StoredRecord[]> {
    const { status, body } = await this.#world.kubernetes.request({ method: 'GET', path: collection });
    if (status !== 200) throw new Error(`the cluster answered ${status}`);
    return (body as { readonly items: readonly StoredRecord[] }).items;
  }

  #note({ metadata: { name: id }, status }: StoredRecord): void {
    const holder = status?.holder;
    if (holder === undefined) return;
    const holders = this.#holders.get(id) ?? [];
    const before = holders.at(-1);
    if (before === holder) return;
    this.#holders.set(id, [...holders, holder]);
    if (before !== undefined) this.#takeOvers.push({ what: `${id} was taken over`, holder: before, at: Date.now() });
  }

  /** What the others did to one that had not ended. */
  *#takenFromTheLiving(): Iterable<string> {
    const { chronicle } = this.#world;
    const { claims, incarnations } = chronicle;
    const claimed = claims.map((claim) => ({ what: 'its lease was claimed', ...claim }));
    for (const { what, holder, at } of [...this.#takeOvers, ...claimed]) {
      const incarnation = incarnations.get(holder);
      if (incarnation === undefined || chronicle.stoodStill(incarnation.replica, at)) continue;
      const { replica, endedAt = Number.POSITIVE_INFINITY, how } = incarnation;
      if (endedAt > at) yield `${holder} (replica ${replica}) lived until ${endedAt} (${how}), but at ${at} ${what}`;
    }
  }

  async #judge(): Promise<void> {
    const { replicas } = this.#world;
    this.#wrong.push(...this.#takenFromTheLiving());
    const records = new Map((await this.#records()).map((record) => [record.metadata.name, record]));
    for (const id of this.#ids) {
      const record = records.get(id);
      const mistake = this.#mistakeIn(id, record) ?? (await this.#disagreement(id));
      if (mistake !== undefined) this.#wrong.push(this.#story(id, mistake, record));
    }
    await this.#judgeLeases(replicas.length);
    await Promise.all(replicas.map((replica) => replica.terminate()));
    await this.#judgeLeases(0);
  }

  /** The dead leave none behind, once their time is over; nor do those that end. */
  async #judgeLeases(expected: number): Promise<void> {
    const { kubernetes } = this.#world;
    const ask = () => kubernetes.request({ method: 'GET', path: leasesPath });
    const namesIn = ({ body }: { readonly body: unknown }) =>
      (body as { readonly items: readonly { readonly metadata: { readonly name: string } }[] }).items.map(
        ({ metadata }) => metadata.name,
      );
    await eventually(ask, (answer) => namesIn(answer).length === expected).catch(async () =>
      this.#wrong.push(`${expected} leases should be there: ${namesIn(await ask()).join(', ')}`),
    );
  }

  #mistakeIn(id: string, record: StoredRecord | undefined): string | undefined {
    const runs = this.#runsOf(id);
    if (runs.length > 1) return `was sent ${runs.length} times`;
    if (record === undefined) return 'has no record';
    const { state, reason, outputs, message } = record.status ?? { state: 'pending', message: '', outputs: {} };
    if (!isFinal(state)) return `never ended: ${state} (${message})`;
    if (state !== 'succeeded')
      return reason === 'Uncertain' ? undefined : `ended wrong: ${state} ${reason} (${message})`;
    if (runs.length === 0) return 'succeeded without a run';
    return outputs.runId === runs[0]?.id ? undefined : `took run ${outputs.runId} of another for its own`;
  }

  /** What the replicas say of it, once all is quiet and each has seen what another one has written. */
  async #disagreement(id: string): Promise<string | undefined> {
    const said = this.#ended.get(id);
    const agrees = (answer: Answer | undefined) =>
      answer?.state === said?.state && answer?.outputs.runId === said?.outputs.runId;
    for (const replica of this.#world.replicas) {
      try {
        await eventually(() => this.#call(replica, 'GET', id), agrees);
      } catch (error) {
        return `replica ${replica.index}, where another one has said ${JSON.stringify(said)}: ${error}`;
      }
    }
    return undefined;
  }

  #runsOf(id: string) {
    return this.#world.gitHub.runs.filter(({ inputs }) => inputs.execution === id);
  }

  #dispatchesOf(id: string) {
    return this.#world.gitHub.requests.filter(({ body }) => body.includes(`"execution":"${id}"`));
  }

  #story(id: string, mistake: string, record: StoredRecord | undefined): string {
    const { gitHub, chronicle } = this.#world;
    const runIds = this.#runsOf(id).map((run) => String(run.id));
    const requests = gitHub.requests
      .filter(({ body, path }) => body.includes(`"execution":"${id}"`) || runIds.some((runId) => path.includes(runId)))
      .map(({ at, method, path, body, outcome }) => `${at} ${method} ${path} ${body} -> ${outcome}`);
    const holders = (this.#holders.get(id) ?? []).map((holder) =>
      JSON.stringify(chronicle.incarnations.get(holder) ?? holder),
    );
    const lines = chronicle.lines.filter((line) => isAbout(line, id)).map((line) => JSON.stringify(line));
    const parts = {
      record: [JSON.stringify({ spec: record?.spec, status: record?.status })],
      holders,
      'requests that GitHub saw': requests,
      log: lines,
    };
    const chapters = Object.entries(parts).map(([title, texts]) => `  ${title}:\n    ${texts.join('\n    ')}`);
    return `${id} ${mistake}\n${chapters.join('\n')}`;
  }

  #count(): Readonly<Record<string, number>> {
    const { gitHub, chronicle } = this.#world;
    const answers = [...this.#ended.values()];
    const uncertain = [...this.#ended].filter(([, { reason }]) => reason === 'Uncertain').map(([id]) => id);
    const incarnations = [...chronicle.incarnations.values()];
    return {
      executions: this.#ids.length,
      succeeded: answers.filter(({ state }) => state === 'succeeded').length,
      Uncertain: uncertain.length,
      'of these with a mark': uncertain.filter((id) => hasMark(this.#ids.indexOf(id))).length,
      'of these without a run': uncertain.filter((id) => this.#runsOf(id).length === 0).length,
      'of these never asked of GitHub': uncertain.filter((id) => this.#dispatchesOf(id).length === 0).length,
      runs: gitHub.dispatches(),
      ...this.#counts,
      'take-overs': this.#takeOvers.length,
      'leases lapsed': incarnations.filter(({ how }) => how === 'lapsed').length,
      seconds: Math.round((Date.now() - this.#startedAt) / 1_000),
    };
  }

  #tell(): void {
    const { killed, stopped, terminated } = this.#counts;
    const strikes = `${killed} kills, ${stopped} stops, ${terminated} ends`;
    this.#options.onProgress?.(`${this.#ended.size} of ${this.#ids.length} have ended; ${strikes}`);
  }

  /** Ends early with all of it. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }
}

/** Every second one shows it in the title of its run. */
function hasMark(index: number): boolean {
  return index % 2 === 0;
}

function isAbout(line: LogLine, id: string): boolean {
  return line.id === id || line.execution === `${namespace}/${id}`;
}
