import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import type { Kubernetes } from '../support/kubernetes/start-kubernetes.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';

export const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const startTimeoutMs = 120_000;

export interface Surroundings {
  readonly gitHubUrl: string;
  readonly cacheUrl: string;
  readonly kubernetes: Kubernetes;
}

/** The text of an aftersync.yaml for a server on that port of loopback. */
export type Configure = (port: number, surroundings: Surroundings) => string | Promise<string>;

/** `aftersync serve` in a process of its own, with a store that outlives it. */
export class Executor {
  readonly url: string;
  readonly #folder: string;
  #process: ServerProcess | undefined;

  private constructor(url: string, folder: string) {
    this.url = url;
    this.#folder = folder;
  }

  static async start(surroundings: Surroundings, configure: Configure = configuration): Promise<Executor> {
    const port = await freeLoopbackPort();
    const folder = await mkdtemp(join(tmpdir(), 'aftersync-workflows-'));
    await writeFile(join(folder, 'github-token'), STAND_IN_TOKEN);
    await writeFile(join(folder, 'aftersync.yaml'), await configure(port, surroundings));
    const executor = new Executor(`http://127.0.0.1:${port}`, folder);
    await executor.start();
    return executor;
  }

  async start(): Promise<void> {
    this.#process = await startServerProcess({
      command: process.execPath,
      commandLine: [cli, 'serve', '--config', join(this.#folder, 'aftersync.yaml')],
      install: 'npm ci installs what it needs',
      isReady: async () => (await fetch(`${this.url}/readyz`)).ok,
      startTimeoutMs,
    });
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  async close(): Promise<void> {
    await this.#process?.stop('SIGTERM');
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The last lines that it wrote. */
  get log(): readonly string[] {
    return this.#process?.log ?? [];
  }
}

/** What a test adds, as YAML. */
export interface Additions {
  /** The section `kubevela`. */
  readonly kubevela?: string;
  /** More entries of `connections`, indented as those below. */
  readonly connections?: string;
}

/** Proof of origin is on, as in a cluster; everything else is as short as a test wants it. */
export function configuration(
  port: number,
  { gitHubUrl, cacheUrl, kubernetes }: Surroundings,
  { kubevela = '{}', connections = '' }: Additions = {},
): string {
  return `server: { address: "127.0.0.1:${port}" }
store: { type: sqlite, path: ./aftersync.db }
log: { level: warn }
kubevela: ${kubevela}
connections:
  - name: github
    type: github
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: ./github-token }
    allow: { namespaces: ["*"], repositories: ["acme/*"] }
    pollInterval: 100ms
    sendTimeout: 2s
    discoverFor: 5s
  - name: edge
    type: varnish
    default: true
    endpoints: ["${cacheUrl}"]
    allow: { namespaces: ["*"], hosts: ["www.example.com"] }
  - name: cluster
    type: kubernetes
    default: true
    kubeconfigFile: ${kubernetes.adminKubeconfigPath}
    allow: { namespaces: ["*"] }
${connections}`;
}
