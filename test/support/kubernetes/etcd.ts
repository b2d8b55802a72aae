import { delimiter } from 'node:path';
import { fetch } from 'undici';

import { findExecutable } from '../find-executable.ts';
import { freeLoopbackPort } from '../loopback-port.ts';
import { type ServerProcess, startServerProcess } from '../server-process.ts';

const START_TIMEOUT_MS = 120_000;
const INSTALL = 'install Debian package etcd-server, or set KUBEBUILDER_ASSETS to a folder that holds etcd';

export interface Etcd {
  readonly url: string;
  start(): Promise<ServerProcess>;
}

/** An etcd on loopback ports that stay the same over restarts, with its data in the given folder. Not started yet. */
export async function describeEtcd(dataFolder: string): Promise<Etcd> {
  const url = `http://127.0.0.1:${await freeLoopbackPort()}`;
  const peerUrl = `http://127.0.0.1:${await freeLoopbackPort()}`;
  const flags = {
    name: 'test',
    'data-dir': dataFolder,
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `test=${peerUrl}`,
    // The data need not survive the machine, only the process.
    'unsafe-no-fsync': 'true',
  };
  return {
    url,
    start: () =>
      startServerProcess({
        command: etcdCommand(),
        commandLine: Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
        install: INSTALL,
        isReady: async () => (await fetch(`${url}/health`)).ok,
        startTimeoutMs: START_TIMEOUT_MS,
      }),
  };
}

function etcdCommand(): string {
  const { KUBEBUILDER_ASSETS = '', PATH = '' } = process.env;
  const etcd = findExecutable('etcd', [KUBEBUILDER_ASSETS, PATH].join(delimiter));
  if (etcd === undefined) throw new Error(`etcd is missing: ${INSTALL}`);
  return etcd;
}
