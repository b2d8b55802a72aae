import type { Kubernetes } from '../kubernetes/start-kubernetes.ts';
import { ApiError, type Change, Cluster, nameOf } from './cluster.ts';
import type { KubernetesObject } from './objects.ts';

export interface Deployment extends KubernetesObject {
  readonly spec: { readonly replicas?: number };
  readonly status?: { readonly observedGeneration?: number };
}

const type = { apiVersion: 'apps/v1', kind: 'Deployment' };

/** Plays the part of Kubernetes' controllers: Deployments are rolled out at once, unless they are held. */
export class DeploymentController {
  readonly #cluster: Cluster;
  readonly #stop = new AbortController();
  readonly #held = new Map<string, Deployment | undefined>();
  readonly #rollOuts = new Set<Promise<void>>();

  private constructor(kubernetes: Kubernetes) {
    this.#cluster = new Cluster(kubernetes);
  }

  static async start(kubernetes: Kubernetes): Promise<DeploymentController> {
    const controller = new DeploymentController(kubernetes);
    await controller.#cluster.watch<Deployment>(type, (change) => controller.#see(change), controller.#stop.signal);
    return controller;
  }

  /** From now on the Deployment of that name is left as it is. */
  hold(name: string): void {
    this.#held.set(name, undefined);
  }

  /** It is rolled out after all. */
  async release(name: string): Promise<void> {
    const deployment = this.#held.get(name);
    this.#held.delete(name);
    if (deployment !== undefined) await this.#rollOut(deployment);
  }

  /** Ends with the writes that are under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#rollOuts);
  }

  #see({ object, isDeletion }: Change<Deployment>): void {
    const { name, generation } = object.metadata;
    if (isDeletion || object.status?.observedGeneration === generation) return;
    if (this.#held.has(name)) this.#held.set(name, object);
    else this.#rollOuts.add(this.#rollOut(object));
  }

  async #rollOut(deployment: Deployment): Promise<void> {
    const count = deployment.spec.replicas ?? 1;
    const counts = { replicas: count, updatedReplicas: count, readyReplicas: count, availableReplicas: count };
    const status = { observedGeneration: deployment.metadata.generation, ...counts };
    try {
      // Only what is of the newest generation counts, so that a conflict does not matter.
      await this.#cluster.mergePatchStatus(nameOf({ ...deployment, ...type }), { status });
    } catch (error) {
      const isGone = error instanceof ApiError && error.status === 404;
      if (!isGone) throw error;
    }
  }
}
