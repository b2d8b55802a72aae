import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { STAND_IN_TOKEN } from '../support/github/options.ts';
import { type ServerProcess, startServerProcess } from '../support/server-process.ts';
import { authority, listenHost } from './addresses.ts';
import { connectionsText } from './connections.ts';
import type { StandIns } from './stand-ins.ts';

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const startTimeoutMs = 60_000;

export interface ExecutorOptions {
  readonly workFolder: string;
  /** Where the cluster reaches it. */
  readonly address: string;
  readonly port: number;
  readonly standIns: StandIns;
  /** That it may act for. */
  readonly namespace: string;
  /** Of the account that the addon has made for it. */
  readonly kubeconfig: string;
}

/** `aftersync serve` on this machine. */
export class Executor {
  readonly #options: ExecutorOptions;
  #process: ServerProcess | undefined;

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { workFolder, address, port, kubeconfig } = this.#options;
    const host = listenHost(address);
    const files = {
      'aftersync.yaml': configuration(authority(host, port), this.#options),
      'github-token': STAND_IN_TOKEN,
      kubeconfig,
      // Nobody is to call it but workflows, which prove themselves; an open address needs callers all the same.
      tokens: `nobody ${randomBytes(24).toString('hex')} ${this.#options.namespace}`,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(workFolder, name), text, { mode: 0o600 });
    // An address that stands for all of them includes the loopback one.
    const probe = `http://${authority(host === address ? host : '127.0.0.1', port)}/readyz`;
    this.#process = await startServerProcess({
      command: process.execPath,
      commandLine: [cli, 'serve', '--config', join(workFolder, 'aftersync.yaml')],
      install: 'npm ci installs what it needs',
      isReady: async () => (await fetch(probe)).ok,
      startTimeoutMs,
    });
  }

  /** As the cluster stops a pod. */
  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM');
  }

  /** The last lines that it wrote. */
  get log(): readonly string[] {
    return this.#process?.log ?? [];
  }
}

function configuration(address: string, { standIns, namespace }: ExecutorOptions): string {
  return `server:
  address: "${address}"
auth:
  tokensFile: ./tokens
store:
  type: sqlite
  path: ./aftersync.db
log:
  level: warn
kubevela:
  connection: cluster
${connectionsText({ urls: standIns.urls, tokenFile: './github-token', namespace })}
  - name: cluster
    type: kubernetes
    kubeconfigFile: ./kubeconfig
    allow:
      namespaces:
        - ${namespace}
`;
}
