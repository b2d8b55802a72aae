import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { freeLoopbackPort } from '../support/loopback-port.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const startTimeoutMs = 120_000;

export interface ServerOptions {
  /** Holds the configuration, the credentials and the SQLite file. */
  readonly folder: string;
  readonly gitHubUrl: string;
  readonly cacheUrl: string;
  /** The content of a kubeconfig. Absent: the server finds the current one, as the demo has. */
  readonly kubeconfig: string | undefined;
}

/** `aftersync serve` in a process of its own, which can be killed and started again on the same address and store. */
export class DemoServer {
  readonly url: string;
  readonly #config: string;
  #process: ServerProcess | undefined;

  private constructor(url: string, config: string) {
    this.url = url;
    this.#config = config;
  }

  static async start(options: ServerOptions): Promise<DemoServer> {
    const port = await freeLoopbackPort();
    const config = join(options.folder, 'aftersync.yaml');
    await writeFile(join(options.folder, 'github-token'), `${STAND_IN_TOKEN}\n`);
    if (options.kubeconfig !== undefined) await writeFile(join(options.folder, 'kubeconfig'), options.kubeconfig);
    await writeFile(config, configuration(port, options));
    const server = new DemoServer(`http://127.0.0.1:${port}`, config);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    this.#process = await startServerProcess({
      command: process.execPath,
      commandLine: [cli, 'serve', '--config', this.#config],
      install: 'npm ci installs what it needs',
      isReady: async () => (await fetch(`${this.url}/readyz`)).ok,
      startTimeoutMs,
    });
  }

  /** As a power cut would: it gets no time to write anything. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** As SIGTERM does: it ends what it is sending. */
  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM');
  }

  /** The last lines that it wrote. */
  get log(): readonly string[] {
    return this.#process?.log ?? [];
  }
}

function configuration(port: number, { gitHubUrl, cacheUrl, kubeconfig }: ServerOptions): string {
  // Named, so that the server looks at no other, whatever its environment says.
  const kubeconfigFile = kubeconfig === undefined ? '' : '\n    kubeconfigFile: ./kubeconfig';
  return `server: { address: "127.0.0.1:${port}" }
store: { type: sqlite, path: ./aftersync.db }
log: { level: warn }
connections:
  - name: github
    type: github
    baseUrl: ${gitHubUrl}
    auth: { tokenFile: ./github-token }
    allow: { repositories: ["acme/*"] }
    pollInterval: 100ms
  - name: edge
    type: varnish
    endpoints: ["${cacheUrl}"]
    allow: { hosts: ["www.example.com"] }
  - name: cluster
    type: kubernetes${kubeconfigFile}
    allow: { readNamespaces: [default], clusterKinds: [Namespace] }
`;
}
