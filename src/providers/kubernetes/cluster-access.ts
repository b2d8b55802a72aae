import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { dirname } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import type { Credential } from '../../core/connection.ts';
import { Rejected } from '../../core/effect.ts';
import type { Clock, EpochMs } from '../../core/time.ts';
import { withTokenFiles } from './token-files.ts';

/** After a refused credential, files and plug-ins are asked again at most this often. */
const shortestRenewalMs = 5_000;
/** Below the idle limits of cloud load balancers, as client-go does it. */
const keepAliveProbeMs = 30_000;
const connectTimeoutMs = 10_000;

export interface ClusterAccessOptions {
  /** Absent: what KUBECONFIG names, ~/.kube/config, or the pod's service account. */
  readonly kubeconfig?: Credential;
  /** Absent: the kubeconfig's current one. */
  readonly context?: string;
  readonly clock: Clock;
}

/** How to reach a cluster with the next request. */
export interface Access {
  /** Without a slash at the end. */
  readonly server: string;
  readonly dispatcher: Dispatcher;
  /** With the credential. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Where a cluster is and who we are there. KubeConfig knows kubeconfigs, plug-ins and token files; the requests go through
 * one Agent for each credential, because client-node makes a connection per request (facts/platform.md).
 */
export class ClusterAccess {
  readonly #options: ClusterAccessOptions;
  #loaded: { readonly config: KubeConfig; readonly source: string | undefined; readonly at: EpochMs } | undefined;
  #asking: Promise<Access> | undefined;
  #agent: { readonly key: string; readonly dispatcher: Dispatcher } | undefined;

  constructor(options: ClusterAccessOptions) {
    this.#options = options;
  }

  /** Asked for each request: tokens are renewed. Throws Rejected as ConnectionFailed, or what a plug-in threw. */
  async current(): Promise<Access> {
    // Hundreds may ask in the same moment, and a plug-in is a process.
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  async #ask(): Promise<Access> {
    const config = await this.#config();
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw this.#refusal(`${this.description} has no context ${config.getCurrentContext()}`);
    const options: RequestOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      // A token file often ends in a line break, which no header may hold.
      headers[name.toLowerCase()] = String(value).trim();
    }
    if (typeof options.auth === 'string') {
      headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    const { undici } = await loadClient();
    const dispatcher = this.#dispatcherFor(undici, config, options);
    return { server: cluster.server.replace(/\/+$/, ''), dispatcher, headers };
  }

  /** For messages. */
  get description(): string {
    const { kubeconfig } = this.#options;
    return kubeconfig === undefined ? 'the default kubeconfig' : `the kubeconfig ${kubeconfig.path}`;
  }

  /** The cluster refused the credential: reads files and asks plug-ins anew. False where that was done a moment ago. */
  renew(): boolean {
    const { clock } = this.#options;
    if (this.#loaded !== undefined && clock.now() - this.#loaded.at < shortestRenewalMs) return false;
    this.#loaded = undefined;
    return true;
  }

  async close(): Promise<void> {
    await this.#agent?.dispatcher.destroy();
  }

  async #config(): Promise<KubeConfig> {
    const { kubeconfig, context, clock } = this.#options;
    const source = await kubeconfig?.read();
    if (this.#loaded !== undefined && this.#loaded.source === source) return this.#loaded.config;
    const { KubeConfig } = await loadClient();
    const config = new KubeConfig();
    try {
      if (kubeconfig !== undefined && source !== undefined) {
        const folder = dirname(kubeconfig.path);
        config.loadFromString(withTokenFiles(source, folder));
        config.makePathsAbsolute(folder);
      } else {
        config.loadFromDefault();
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw this.#refusal(`${this.description} cannot be used: ${why}`, error);
    }
    if (context !== undefined) config.setCurrentContext(context);
    else if (isMadeUp(config)) throw this.#refusal('there is no kubeconfig here: set kubeconfigFile');
    this.#loaded = { config, source, at: clock.now() };
    return config;
  }

  /** The one of the last request, unless certificates or keys have changed since. */
  #dispatcherFor(undici: Undici, config: KubeConfig, options: TlsOptions): Dispatcher {
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    const tls = defined({ ca, cert, key, rejectUnauthorized, servername });
    const cluster = config.getCurrentCluster();
    const parts = [cluster?.server, cluster?.proxyUrl, ...Object.entries(tls).flat()];
    const fingerprint = createHash('sha256').update(parts.join('\n')).digest('hex');
    if (this.#agent?.key === fingerprint) return this.#agent.dispatcher;
    // Watches that go on with the old credential may do so until they end by themselves.
    void this.#agent?.dispatcher.close();
    const dispatcher = this.#makeDispatcher(undici, cluster?.proxyUrl, tls);
    this.#agent = { key: fingerprint, dispatcher };
    return dispatcher;
  }

  #makeDispatcher({ Agent, ProxyAgent }: Undici, proxyUrl: string | undefined, tls: Partial<TlsOptions>): Dispatcher {
    // HTTP/1.1: undici repeats what a closing HTTP/2 session cuts. Time limits are per request, and watches have none.
    const limits = { allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
    const connect = { keepAlive: true, keepAliveInitialDelay: keepAliveProbeMs, timeout: connectTimeoutMs };
    if (proxyUrl === undefined) return new Agent({ ...limits, connect: { ...connect, ...tls } });
    if (!/^https?:/.test(proxyUrl))
      throw this.#refusal(`${this.description} names a proxy that is not http: ${proxyUrl}`);
    return new ProxyAgent({ ...limits, uri: proxyUrl, requestTls: { ...connect, ...tls }, connect });
  }

  #refusal(message: string, cause?: unknown): Rejected {
    return new Rejected('ConnectionFailed', message, { cause });
  }
}

/** Costs 0.7 s and 90 MB, so that only who uses a cluster pays for it; on a busy machine longer than a request may take. */
export async function loadClient() {
  const [{ KubeConfig }, undici] = await Promise.all([import('@kubernetes/client-node'), import('undici')]);
  return { KubeConfig, undici };
}

export type Undici = typeof import('undici');
type TlsOptions = Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>;

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** What client-node comes up with where it found nothing. */
function isMadeUp(config: KubeConfig): boolean {
  const cluster = config.getCurrentCluster();
  return cluster?.name === 'cluster' && cluster.server === 'http://localhost:8080';
}
