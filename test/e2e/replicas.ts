import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { cli } from '../workflows/executor.ts';

const startTimeoutMs = 120_000;

export interface ReplicaOptions {
  readonly kubernetes: Kubernetes;
  readonly gitHubUrl: string;
  readonly leaseMs: number;
  readonly sendTimeoutMs: number;
  readonly discoverForMs: number;
  readonly pollIntervalMs: number;
  /** Of GitHub's webhooks. */
  readonly webhookSecret?: string;
  /** In place of `aftersync serve`: a program and what it takes beside the path of its configuration. */
  readonly program?: (configFile: string) => readonly string[];
}

/** A name that a process had in its records, and until when it may have written in it. Times are of this machine's clock. */
export interface Incarnation {
  readonly replica: number;
  readonly holder: string;
  /** It was killed, stopped or asked to end, or found its lease lapsed: others may take over from here. */
  endedAt?: number;
  how?: string;
}

/** A line of a replica's log. */
export interface LogLine {
  readonly replica: number;
  readonly time: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** All that was learned of the replicas of one executor from their logs and from what was done to them. */
export class Chronicle {
  readonly incarnations = new Map<string, Incarnation>();
  readonly lines: LogLine[] = [];
  /** By replica, since when its process is over, or is to be. */
  readonly #ends = new Map<number, { readonly at: number; readonly how: string }>();
  /** When a process stood still; the last one perhaps does so still. */
  readonly #stops: { readonly replica: number; readonly from: number; to: number }[] = [];
  /** By holder, when another one claimed its lease. */
  readonly claims: { readonly holder: string; readonly at: number }[] = [];
  readonly #listeners = new Set<(line: LogLine) => void>();

  hear(replica: number, text: string): void {
    const line = toLogLine(replica, text);
    this.lines.push(line);
    const holder = String(line.holder);
    if (line.msg.startsWith('joined the replicas')) {
      this.incarnations.set(holder, { replica, holder });
      // Its process may have joined anew while it was being ended, and tells of it only now.
      const end = this.#ends.get(replica);
      if (end !== undefined) this.#end(holder, end.at, end.how);
    }
    if (line.msg.startsWith('the lease of this process has lapsed:')) {
      // It may have found this late: it asks before it acts.
      this.#end(holder, line.time - Number(line.lateMs), 'lapsed');
    }
    if (line.msg.startsWith('a replica is gone:')) this.claims.push({ holder, at: line.time });
    for (const listener of this.#listeners) listener(line);
  }

  /** Resolves when such a line was logged, if it has not been before. */
  async heard(isIt: (line: LogLine) => boolean): Promise<void> {
    if (this.lines.some(isIt)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = (line: LogLine) => isIt(line) && resolve();
    this.#listeners.add(listener);
    await promise.finally(() => this.#listeners.delete(listener));
  }

  /** What its process was until now is over, or is from here on by the others' leave. */
  note(replica: number, how: string): void {
    const at = Date.now();
    this.#ends.set(replica, { at, how });
    for (const { replica: of, holder } of this.incarnations.values()) {
      if (of === replica) this.#end(holder, at, how);
    }
  }

  /** What joins from now on lives. */
  begins(replica: number): void {
    this.#ends.delete(replica);
  }

  stopped(replica: number): void {
    this.note(replica, 'stopped');
    this.#stops.push({ replica, from: Date.now(), to: Number.POSITIVE_INFINITY });
  }

  resumed(replica: number): void {
    const stop = this.#stops.findLast((other) => other.replica === replica);
    if (stop !== undefined) stop.to = Date.now();
    this.begins(replica);
  }

  /** Also an incarnation stands still of which its process could tell only afterwards. */
  stoodStill(replica: number, at: number): boolean {
    return this.#stops.some((stop) => stop.replica === replica && stop.from <= at && at <= stop.to);
  }

  #end(holder: string, at: number, how: string): void {
    const incarnation = this.incarnations.get(holder);
    if (incarnation === undefined || incarnation.endedAt !== undefined) return;
    incarnation.endedAt = at;
    incarnation.how = how;
  }
}

/** `aftersync serve` on the store of a cluster, in a process of its own, at an address that it keeps over its starts. */
export class Replica {
  readonly index: number;
  readonly url: string;
  readonly #commandLine: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #chronicle: Chronicle;
  #process: ServerProcess | undefined;
  /** It answers, as far as we know. */
  isServing = false;

  private constructor(
    index: number,
    parts: {
      readonly port: number;
      readonly folder: string;
      readonly options: ReplicaOptions;
      readonly chronicle: Chronicle;
    },
  ) {
    const { port, folder, options, chronicle } = parts;
    const configFile = join(folder, 'aftersync.yaml');
    this.index = index;
    this.url = `http://127.0.0.1:${port}`;
    this.#commandLine = options.program?.(configFile) ?? [cli, 'serve', '--config', configFile];
    this.#environment = { KUBECONFIG: options.kubernetes.adminKubeconfigPath };
    this.#folder = folder;
    this.#chronicle = chronicle;
  }

  /** Not started yet. */
  static async describe(index: number, options: ReplicaOptions, chronicle: Chronicle): Promise<Replica> {
    const port = await freeLoopbackPort();
    const folder = await mkdtemp(join(tmpdir(), 'aftersync-replica-'));
    await writeFile(join(folder, 'github-token'), STAND_IN_TOKEN);
    if (options.webhookSecret !== undefined) await writeFile(join(folder, 'webhook-secret'), options.webhookSecret);
    await writeFile(join(folder, 'aftersync.yaml'), configuration(port, options));
    return new Replica(index, { port, folder, options, chronicle });
  }

  async start(): Promise<void> {
    this.#chronicle.begins(this.index);
    this.#process = await startServerProcess({
      command: process.execPath,
      commandLine: this.#commandLine,
      environment: this.#environment,
      install: 'npm ci installs what it needs',
      isReady: async () => (await fetch(`${this.url}/readyz`)).ok,
      startTimeoutMs,
      onLine: (line) => this.#chronicle.hear(this.index, line),
    });
    this.isServing = true;
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    this.isServing = false;
    this.#chronicle.note(this.index, 'killed');
    await this.#process?.stop('SIGKILL');
  }

  /** Lets it give back what it has. */
  async terminate(): Promise<void> {
    this.isServing = false;
    this.#chronicle.note(this.index, 'terminated');
    await this.#process?.stop('SIGTERM');
  }

  /** As a machine does that is out of memory or time. */
  pause(): void {
    this.isServing = false;
    this.#chronicle.stopped(this.index);
    this.#process?.signal('SIGSTOP');
  }

  resume(): void {
    this.#chronicle.resumed(this.index);
    this.#process?.signal('SIGCONT');
    this.isServing = true;
  }

  /** For the end of a test: whatever it is at. */
  async close(): Promise<void> {
    await this.#process?.stop('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** The cluster is that of KUBECONFIG, as a pod's is its own. */
function configuration(port: number, options: ReplicaOptions): string {
  const { gitHubUrl, leaseMs, sendTimeoutMs, discoverForMs, pollIntervalMs, webhookSecret } = options;
  const webhooks = webhookSecret === undefined ? '' : 'webhookSecretFile: ./webhook-secret';
  return `server: { address: "127.0.0.1:${port}" }
store: { type: kubernetes, leaseDuration: ${leaseMs}ms }
connections:
  - name: github
    type: github
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: ./github-token }
    ${webhooks}
    pollInterval: ${pollIntervalMs}ms
    sendTimeout: ${sendTimeoutMs}ms
    discoverFor: ${discoverForMs}ms
    allow: { namespaces: ["*"], repositories: ["acme/*"] }
`;
}

/** What is no line of the log (the address that is served, say) counts as one that says just that. */
function toLogLine(replica: number, text: string): LogLine {
  try {
    return { time: Date.now(), msg: '', ...JSON.parse(text), replica };
  } catch {
    return { replica, time: Date.now(), msg: text };
  }
}
