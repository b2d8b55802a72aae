import { randomBytes } from 'node:crypto';
import type { Cluster } from './cluster.ts';

const goneWithinMs = 180_000;

/** On what a check makes by itself, for those who have to find it. */
export const checkLabels = { 'aftersync.dev/check': 'true' };

/** A namespace of the check's own. */
export class CheckNamespace {
  readonly name: string;
  readonly #cluster: Cluster;

  private constructor(cluster: Cluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  static async create(cluster: Cluster): Promise<CheckNamespace> {
    const name = `aftersync-check-${randomBytes(3).toString('hex')}`;
    const metadata = { name, labels: checkLabels };
    await cluster.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
    return new CheckNamespace(cluster, name);
  }

  /** Until no workflow is left, so that nothing uses the addon and KubeVela's finalizers are done. */
  async removeWorkflows(): Promise<void> {
    const collections = [
      `/apis/core.oam.dev/v1beta1/namespaces/${this.name}/applications`,
      `/apis/core.oam.dev/v1alpha1/namespaces/${this.name}/workflowruns`,
    ];
    for (const collection of collections) {
      const paths = (await this.#cluster.list(collection)).map(({ metadata }) => `${collection}/${metadata.name}`);
      await Promise.all(paths.map((path) => this.#removeAndWait(path)));
    }
  }

  async remove(): Promise<void> {
    await this.#removeAndWait(`/api/v1/namespaces/${this.name}`);
  }

  async #removeAndWait(path: string): Promise<void> {
    await this.#cluster.remove(path);
    const wait = { what: `${path} to be gone`, timeoutMs: goneWithinMs };
    await this.#cluster.until(path, (object) => object === undefined, wait);
  }
}
