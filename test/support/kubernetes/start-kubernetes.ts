import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';

import { freeLoopbackPort } from '../loopback-port.ts';
import { type ServerProcess, startServerProcess } from '../server-process.ts';
import { describeEtcd } from './etcd.ts';
import { ensureKubeApiServer } from './kube-apiserver-program.ts';
import { kubeconfigText } from './kubeconfig.ts';

const START_TIMEOUT_MS = 120_000;
/** undici gives a handshake 10 s, which many at once can take on a busy machine. */
const CONNECT_TIMEOUT_MS = 60_000;

/** The answer of the API server: HTTP status and parsed JSON body. */
export interface KubernetesAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface KubernetesRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** Default `application/json`; a PATCH needs one of the patch types. */
  readonly contentType?: string;
  /** Default the administrator's. */
  readonly token?: string;
}

/** A real API server with its own etcd: no controllers and no nodes, so objects stay as they are written. */
export interface Kubernetes extends AsyncDisposable {
  /** `https://127.0.0.1:<port>`, the same over restarts. */
  readonly url: string;
  /** PEM, to verify the API server's certificate; the same over restarts. */
  readonly ca: string;
  /** Token of a user in system:masters. */
  readonly adminToken: string;
  readonly adminKubeconfigPath: string;
  request(request: KubernetesRequest): Promise<KubernetesAnswer>;
  /** SIGTERM lets it end its requests, SIGKILL (the default) cuts them. */
  stopApiServer(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  startApiServer(): Promise<void>;
  /** Afterwards its watch cache is empty: a watch from any older resourceVersion is answered with 410. */
  restartApiServer(): Promise<void>;
  /** Connections stay open and unanswered until `resumeApiServer`. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  stopEtcd(): Promise<void>;
  startEtcd(): Promise<void>;
  /** Ends both and deletes their data. */
  close(): Promise<void>;
}

/** Starts etcd and kube-apiserver on loopback; the first call on a machine may build kube-apiserver. */
export async function startKubernetes(): Promise<Kubernetes> {
  const executable = await ensureKubeApiServer();
  const folder = await mkdtemp(join(tmpdir(), 'aftersync-kubernetes-'));
  const etcd = await describeEtcd(join(folder, 'etcd'));
  const port = await freeLoopbackPort();
  const url = `https://127.0.0.1:${port}`;
  const adminToken = randomBytes(16).toString('hex');
  const commandLine = await writeApiServerFiles({ folder, port, etcdUrl: etcd.url, adminToken });

  const running: { etcd?: ServerProcess; apiServer?: ServerProcess } = {};
  let ca = '';
  let agent = new Agent();

  async function startApiServer(): Promise<void> {
    running.apiServer = await startServerProcess({
      command: executable,
      commandLine,
      install: 'run ensureKubeApiServer again',
      isReady: async () => {
        if (!ca) {
          ca = await readFile(servingCertificate(folder), 'utf8');
          agent = new Agent({ connect: { ca, timeout: CONNECT_TIMEOUT_MS } });
        }
        return (await fetch(`${url}/readyz`, { dispatcher: agent })).ok;
      },
      startTimeoutMs: START_TIMEOUT_MS,
    });
  }

  async function startEtcd(): Promise<void> {
    running.etcd = await etcd.start();
  }

  async function stopApiServer(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    await running.apiServer?.stop(signal);
  }

  async function request({ method, path, body, contentType, token }: KubernetesRequest): Promise<KubernetesAnswer> {
    const response = await fetch(new URL(path, url), {
      method,
      dispatcher: agent,
      headers: { authorization: `Bearer ${token ?? adminToken}`, 'content-type': contentType ?? 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  async function close(): Promise<void> {
    await agent.destroy();
    await stopApiServer();
    await running.etcd?.stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }

  try {
    await startEtcd();
    await startApiServer();
    const adminKubeconfigPath = join(folder, 'admin.kubeconfig');
    await writeFile(adminKubeconfigPath, kubeconfigText({ url, ca, user: { token: adminToken } }));
    return {
      url,
      ca,
      adminToken,
      adminKubeconfigPath,
      request,
      stopApiServer,
      startApiServer,
      async restartApiServer() {
        await stopApiServer();
        await startApiServer();
      },
      pauseApiServer: () => running.apiServer?.signal('SIGSTOP'),
      resumeApiServer: () => running.apiServer?.signal('SIGCONT'),
      stopEtcd: async () => running.etcd?.stop('SIGTERM'),
      startEtcd,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** kube-apiserver makes a certificate for its bind address and keeps it here; the file holds its issuer too. */
function servingCertificate(folder: string): string {
  return join(folder, 'certificates', 'apiserver.crt');
}

interface ApiServerSettings {
  readonly folder: string;
  readonly port: number;
  readonly etcdUrl: string;
  readonly adminToken: string;
}

/** Writes keys and tokens, and returns the flags that refer to them. */
async function writeApiServerFiles({ folder, port, etcdUrl, adminToken }: ApiServerSettings): Promise<string[]> {
  const tokens = join(folder, 'tokens.csv');
  const serviceAccountKey = join(folder, 'service-account.key');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(tokens, `${adminToken},admin,admin-uid,system:masters\n`);
  await writeFile(serviceAccountKey, privateKey.export({ type: 'pkcs1', format: 'pem' }));

  const flags = {
    'etcd-servers': etcdUrl,
    'bind-address': '127.0.0.1',
    'secure-port': port,
    'cert-dir': join(folder, 'certificates'),
    // Loopback may not stand in the endpoints of the kubernetes service, which nothing here uses.
    'advertise-address': '127.0.0.1',
    'endpoint-reconciler-type': 'none',
    'service-cluster-ip-range': '10.0.0.0/24',
    'authorization-mode': 'RBAC',
    'token-auth-file': tokens,
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': serviceAccountKey,
    'service-account-signing-key-file': serviceAccountKey,
    // Pods would wait for the default service account, which a controller makes that does not run here.
    'disable-admission-plugins': 'ServiceAccount',
  };
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}
