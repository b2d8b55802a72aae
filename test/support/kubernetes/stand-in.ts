import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { JsonObject } from '../../../src/core/json.ts';
import { type Listening, listenOnLoopback } from '../listen.ts';
import { kubeconfigText } from './kubeconfig.ts';

/** In the namespace `default`. */
export interface DeploymentOptions {
  readonly name: string;
  readonly image: string;
  readonly replicas: number;
}

/** As Deployment controllers write it; a count of zero is left out. */
export interface DeploymentStatus {
  readonly observedGeneration: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly readyReplicas?: number;
  readonly availableReplicas?: number;
}

export interface KubernetesStandIn extends Listening {
  /** The content of a kubeconfig that leads here. */
  readonly kubeconfig: string;
  /** `kubectl set image`: a new spec, which no controller has seen yet. Returns its generation. */
  setImage(image: string): number;
  /** What the Deployment's controller would write. */
  writeStatus(status: DeploymentStatus): void;
  /** Resolves once somebody watches. */
  waitForWatch(): Promise<void>;
}

/** Aggregated discovery, the form since Kubernetes 1.26, of all that is served here. */
const discoveryType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const deploymentsResource = {
  resource: 'deployments',
  responseKind: { group: 'apps', version: 'v1', kind: 'Deployment' },
  scope: 'Namespaced',
  singularResource: 'deployment',
  verbs: ['get', 'list', 'watch'],
  subresources: [{ subresource: 'status', verbs: ['get'] }],
};
const appsGroup = { metadata: { name: 'apps' }, versions: [{ version: 'v1', resources: [deploymentsResource] }] };

const collection = '/apis/apps/v1/namespaces/default/deployments';

/**
 * Plays the API server of a cluster with one Deployment, where there is no cluster: discovery, and get, list and watch of
 * Deployments in `default`. Its own test asks a real API server the same.
 */
export async function startKubernetesStandIn(options: DeploymentOptions): Promise<KubernetesStandIn> {
  const deployment = new WatchedDeployment(options);
  const listening = await listenOnLoopback(createServer((request, response) => answer(deployment, request, response)));
  return {
    ...listening,
    kubeconfig: kubeconfigText({ url: listening.url }),
    setImage: (image) => deployment.setImage(image),
    writeStatus: (status) => deployment.writeStatus(status),
    waitForWatch: () => deployment.watched,
  };
}

function answer(deployment: WatchedDeployment, { url = '/' }: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(url, 'http://stand-in');
  if (pathname === '/api' || pathname === '/apis') {
    const items = pathname === '/api' ? [] : [appsGroup];
    const body = { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
    send(response, 200, body, discoveryType);
  } else if (pathname === collection && searchParams.has('watch')) {
    deployment.watch(Number(searchParams.get('resourceVersion')), response);
  } else if (pathname === collection) {
    const { resourceVersion } = deployment.newest.metadata;
    const list = { kind: 'DeploymentList', apiVersion: 'apps/v1', metadata: { resourceVersion } };
    send(response, 200, { ...list, items: [deployment.newest] });
  } else if (pathname === `${collection}/${deployment.newest.metadata.name}`) {
    send(response, 200, deployment.newest);
  } else {
    const name = pathname.split('/').at(-1) ?? '';
    const details = { name, group: 'apps', kind: 'deployments' };
    const message = `deployments.apps "${name}" not found`;
    send(response, 404, { kind: 'Status', status: 'Failure', message, reason: 'NotFound', details, code: 404 });
  }
}

function send(response: ServerResponse, status: number, body: JsonObject, contentType = 'application/json'): void {
  response.writeHead(status, { 'content-type': contentType }).end(JSON.stringify(body));
}

type Deployment = JsonObject & {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly generation: number };
};

/** All versions of it, so that a watch can begin at any of them. */
class WatchedDeployment {
  readonly watched: Promise<void>;
  readonly #versions: Deployment[];
  readonly #watches = new Set<ServerResponse>();
  readonly #reportWatch: () => void;

  constructor({ name, image, replicas }: DeploymentOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.watched = promise;
    this.#reportWatch = resolve;
    const metadata = { name, namespace: 'default', uid: randomUUID(), resourceVersion: '1', generation: 1 };
    const spec = { replicas, selector: { matchLabels: { app: name } }, template: template(name, image) };
    this.#versions = [{ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }];
  }

  get newest(): Deployment {
    return this.#versions.at(-1) as Deployment;
  }

  setImage(image: string): number {
    const { name, generation } = this.newest.metadata;
    const spec = { ...(this.newest.spec as JsonObject), template: template(name, image) };
    this.#write({ spec }, generation + 1);
    return generation + 1;
  }

  writeStatus(status: DeploymentStatus): void {
    this.#write({ status: { ...status } }, this.newest.metadata.generation);
  }

  /** What has happened since then, and what will. */
  watch(since: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    for (const version of this.#versions.slice(since)) response.write(modified(version));
    this.#watches.add(response);
    response.once('close', () => this.#watches.delete(response));
    this.#reportWatch();
  }

  #write(changes: JsonObject, generation: number): void {
    // The first version is number 1, so that a number is also how many versions there were by then.
    const resourceVersion = String(this.#versions.length + 1);
    const metadata = { ...this.newest.metadata, generation, resourceVersion };
    this.#versions.push({ ...this.newest, ...changes, metadata });
    for (const response of this.#watches) response.write(modified(this.newest));
  }
}

function template(name: string, image: string): JsonObject {
  return { metadata: { labels: { app: name } }, spec: { containers: [{ name, image }] } };
}

/** A watch sends an event a line. */
function modified(object: Deployment): string {
  return `${JSON.stringify({ type: 'MODIFIED', object })}\n`;
}
