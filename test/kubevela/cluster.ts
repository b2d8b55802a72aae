import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { NotSent } from '../../src/core/effect.ts';
import { isJsonObject, type Json, type JsonObject } from '../../src/core/json.ts';
import { systemClock } from '../../src/core/time.ts';
import { ClusterAccess } from '../../src/providers/kubernetes/cluster-access.ts';
import { type ApiAnswer, ClusterApi } from '../../src/providers/kubernetes/cluster-api.ts';
import { CannotStart } from './arguments.ts';

const lookEveryMs = 300;
const requestTimeoutMs = 15_000;
/** Longer than the check lasts. */
const tokenSeconds = 7_200;

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: JsonObject;
  readonly status?: JsonObject;
}

/** What is waited for, and how long. */
export interface Wait {
  /** Completes "waited 60 s for …". */
  readonly what: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export type PatchOperation = {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: Json;
};

/** The cluster of the current kubeconfig. Paths are those of the API server. */
export class Cluster {
  readonly #access = new ClusterAccess({ clock: systemClock });
  readonly #api = new ClusterApi({ access: this.#access, requestTimeoutMs, clock: systemClock });

  /** Where the API server is. Throws CannotStart where no kubeconfig leads to one. */
  async url(): Promise<string> {
    try {
      const { server } = await this.#access.current();
      const answer = await this.#api.get('/version');
      if (answer.status !== 200) throw this.#refusal(answer, 'get', '/version');
      return server;
    } catch (error) {
      const why = (error as Error).message.replace(': set kubeconfigFile', '');
      throw new CannotStart(`no cluster: ${why}. Point KUBECONFIG, or ~/.kube/config, at one with KubeVela in it`);
    }
  }

  async read<T = KubernetesObject>(path: string): Promise<T | undefined> {
    const answer = await this.#api.get(path);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw this.#refusal(answer, 'get', path);
    return answer.body as T;
  }

  /** Of what is no JSON, such as a log; empty where it cannot be had. */
  async text(path: string): Promise<string> {
    const answer = await this.#api.get(path);
    return answer.status === 200 ? answer.text.trim() : '';
  }

  async list(path: string): Promise<readonly KubernetesObject[]> {
    const list = await this.read<{ readonly items: readonly KubernetesObject[] }>(path);
    return list?.items ?? [];
  }

  /** `path`: of the collection. Returns it as created. */
  async create<T = KubernetesObject>(path: string, object: object): Promise<T> {
    const answer = await this.#api.write({ method: 'POST', path, body: object as JsonObject });
    if (answer.status !== 201) throw this.#refusal(answer, 'create', path);
    return answer.body as T;
  }

  async patch(path: string, operations: readonly PatchOperation[]): Promise<void> {
    const answer = await this.#api.write({ method: 'PATCH', path, body: operations });
    if (answer.status !== 200) throw this.#refusal(answer, 'patch', path);
  }

  /** Nothing where it is not there. Finalizers may keep it for a while. */
  async remove(path: string): Promise<void> {
    const answer = await this.#api.write({ method: 'DELETE', path });
    if (![200, 202, 404].includes(answer.status)) throw this.#refusal(answer, 'delete', path);
  }

  /** As soon as it is so; undefined stands for an object that is not there. */
  async until<T = KubernetesObject>(
    path: string,
    isSo: (object: T | undefined) => boolean,
    wait: Wait,
  ): Promise<T | undefined> {
    const endsAt = performance.now() + wait.timeoutMs;
    for (;;) {
      let why = '';
      try {
        const object = await this.read<T>(path);
        if (isSo(object)) return object;
      } catch (error) {
        // A cluster that cannot be reached for a moment is no reason to give up.
        if (!(error instanceof NotSent)) throw error;
        why = `: ${error.message}`;
      }
      if (performance.now() > endsAt) throw new Error(`waited ${wait.timeoutMs / 1_000} s for ${wait.what}${why}`);
      await delay(lookEveryMs, undefined, { ...(wait.signal && { signal: wait.signal }) });
    }
  }

  /** A kubeconfig for the same cluster, by the account of a service account. */
  async kubeconfigFor(namespace: string, serviceAccount: string): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' };
    const answer = await this.create(path, { ...request, spec: { expirationSeconds: tokenSeconds } });
    const name = 'check';
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: await currentCluster() }],
      users: [{ name, user: { token: answer.status?.token } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    });
  }

  async close(): Promise<void> {
    await this.#access.close();
  }

  #refusal(answer: ApiAnswer, verb: string, path: string): Error {
    const said = isJsonObject(answer.body) ? answer.body.message : answer.text.slice(0, 200);
    return new Error(`the cluster refuses to ${verb} ${path} (${answer.status} ${said})`);
  }
}

/** As under `clusters[].cluster`, with what its files hold. */
async function currentCluster(): Promise<object> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig has no current cluster');
  const { server, caData, caFile, skipTLSVerify, tlsServerName, proxyUrl } = cluster;
  const ca = caData ?? (caFile === undefined ? undefined : (await readFile(caFile)).toString('base64'));
  return {
    server,
    'certificate-authority-data': ca,
    'insecure-skip-tls-verify': skipTLSVerify,
    'tls-server-name': tlsServerName,
    'proxy-url': proxyUrl,
  };
}
