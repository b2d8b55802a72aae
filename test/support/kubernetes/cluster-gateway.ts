import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { request } from 'node:https';

import { listenOnLoopback } from '../listen.ts';
import { kubeconfigText } from './kubeconfig.ts';
import type { Kubernetes } from './start-kubernetes.ts';

const proxyPath = /^\/apis\/cluster\.core\.oam\.dev\/v1alpha1\/clustergateways\/([^/]+)\/proxy(\/.*)$/;

/** A call as it came, once its answer has begun. */
export interface ApiCall {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  /** The user that it was made as; absent: the caller itself. */
  readonly account?: string;
  readonly status: number;
}

/** KubeVela's hub, as far as reads go: an API server, and the gateway to the clusters that it manages. */
export interface ClusterGateway extends AsyncDisposable {
  /** `cluster path` of what went through the gateway. */
  readonly forwarded: readonly string[];
  /** All that was asked, the hub's own included. */
  readonly calls: readonly ApiCall[];
  /** A kubeconfig for the hub, for the token given or the administrator. */
  kubeconfig(token?: string): string;
  /** As without KubeVela's multicluster: the hub does not know the gateway's paths. */
  uninstall(): void;
  close(): Promise<void>;
}

/**
 * Behaves as oam-dev/cluster-gateway (pkg/apis/cluster/v1alpha1/clustergateway_proxy.go): strips its prefix and forwards the
 * rest, streams too, with the credential that it has for the managed cluster. Everything else goes to the hub as it came.
 */
export async function startClusterGateway(
  hub: Kubernetes,
  clusters: Readonly<Record<string, Kubernetes>>,
): Promise<ClusterGateway> {
  const forwarded: string[] = [];
  const calls: ApiCall[] = [];
  let isInstalled = true;

  const server = createServer((incoming, response) => {
    const { method = '', url = '' } = incoming;
    const account = incoming.headers['impersonate-user'];
    const asUser = typeof account === 'string' ? { account } : {};
    response.once('pipe', () => calls.push({ method, url, ...asUser, status: response.statusCode }));
    const [, name, path] = proxyPath.exec(incoming.url ?? '') ?? [];
    if (name === undefined || path === undefined) return forward(hub, incoming, response, {});
    if (!isInstalled) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found\n');
    const cluster = clusters[name];
    // An error that is none of the API's own becomes a Status without a reason.
    if (cluster === undefined) return answerStatus(response, 500, `no such cluster ${name}`);
    forwarded.push(`${name} ${path}`);
    incoming.url = path;
    forward(cluster, incoming, response, { authorization: `Bearer ${cluster.adminToken}` });
  });
  const { url, close } = await listenOnLoopback(server);
  return {
    forwarded,
    calls,
    kubeconfig: (token = hub.adminToken) => kubeconfigText({ url, user: { token } }),
    uninstall() {
      isInstalled = false;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function forward(
  { url, ca }: Kubernetes,
  incoming: IncomingMessage,
  response: ServerResponse,
  headers: OutgoingHttpHeaders,
): void {
  const { host: _, connection: __, ...given } = incoming.headers;
  const outgoing = request(
    new URL(incoming.url ?? '', url),
    { ca, method: incoming.method, headers: { ...given, ...headers } },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    },
  );
  outgoing.on('error', () => response.destroy());
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}

function answerStatus(response: ServerResponse, code: number, message: string): void {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code };
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(status));
}
