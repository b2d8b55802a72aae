import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { addonApplication } from './preflight.ts';
import { vela } from './vela.ts';

const folder = join(import.meta.dirname, '../../addon/aftersync');
const deployment = '/apis/apps/v1/namespaces/vela-system/deployments/aftersync';
const velaSystem = '/api/v1/namespaces/vela-system';
const goneWithinMs = 120_000;
const rolledOutWithinMs = 300_000;

/** What the addon leaves behind when it is disabled, so that nobody loses it by mistake. */
const keptObjects = [
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/stepexecutions.aftersync.dev',
  `${velaSystem}/persistentvolumeclaims/aftersync-data`,
];

export interface AddonOptions {
  readonly cluster: Cluster;
  /** `NAME=VALUE` */
  readonly parameters: readonly string[];
  /** For the copy that an upgrade is made from. */
  readonly workFolder: string;
}

interface Deployment {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

/** None is left of an older form, and all of the newest serve. */
function isRolledOut({ metadata, spec, status = {} }: Deployment): boolean {
  const counts = [status.replicas, status.updatedReplicas, status.availableReplicas];
  return status.observedGeneration === metadata.generation && counts.every((count) => count === spec.replicas);
}

interface PodStatus {
  readonly containerStatuses?: readonly {
    readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
  }[];
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
}

/** ./addon/aftersync in the cluster. */
export class Addon {
  readonly #options: AddonOptions;
  /** Kept objects that were there before, and stay. */
  #others: readonly string[] = keptObjects;

  constructor(options: AddonOptions) {
    this.#options = options;
  }

  /** As a user does it, without a flag. */
  async enable(signal: AbortSignal): Promise<void> {
    const { cluster, parameters } = this.#options;
    const found = await Promise.all(keptObjects.map((path) => cluster.read(path)));
    this.#others = keptObjects.filter((_, index) => found[index] !== undefined);
    await vela(['addon', 'enable', folder, ...parameters], signal);
  }

  /** From a copy with the next version. `more`: parameters that differ from before. Returns the versions. */
  async upgrade(more: readonly string[], signal: AbortSignal): Promise<{ readonly from: string; readonly to: string }> {
    const { parameters, workFolder } = this.#options;
    // The folder must bear the addon's name.
    const copy = join(workFolder, 'aftersync');
    await cp(folder, copy, { recursive: true, dereference: true });
    const metadata = join(copy, 'metadata.yaml');
    const text = await readFile(metadata, 'utf8');
    const [, from, stem, patch] = /^version: ((\d+\.\d+\.)(\d+))$/m.exec(text) ?? [];
    if (from === undefined) throw new Error(`${folder}/metadata.yaml has no version such as 1.2.3`);
    const to = `${stem}${Number(patch) + 1}`;
    await writeFile(metadata, text.replace(/^version: .*$/m, `version: ${to}`));
    await vela(['addon', 'upgrade', copy, ...parameters, ...more], signal);
    return { from, to };
  }

  /** Until the executor that the addon deploys serves, in the newest form of its Deployment. */
  async rolledOut(signal: AbortSignal): Promise<void> {
    const { cluster } = this.#options;
    const wait = { what: 'deployment/aftersync in vela-system to be ready', timeoutMs: rolledOutWithinMs, signal };
    const isReady = (object: Deployment | undefined) => object !== undefined && isRolledOut(object);
    try {
      await cluster.until<Deployment>(deployment, isReady, wait);
    } catch (error) {
      if (signal.aborted) throw error;
      // Read now: what could be asked afterwards is deleted by then.
      throw new Error([(error as Error).message, ...(await this.describePods())].join('\n'), { cause: error });
    }
  }

  /** The executor's pods: why those that are not ready are not, as far as the cluster knows, and the end of what each wrote. */
  async describePods(): Promise<string[]> {
    const { cluster } = this.#options;
    const pods = await cluster.list(`${velaSystem}/pods?labelSelector=app.kubernetes.io/name%3Daftersync`);
    const descriptions = pods.map(async ({ metadata, status }) => {
      const { containerStatuses = [], conditions = [] } = (status ?? {}) as PodStatus;
      const waiting = containerStatuses.flatMap(({ state }) => [state?.waiting?.reason, state?.waiting?.message]);
      const unmet = conditions.filter((condition) => condition.status !== 'True').map(({ message }) => message);
      const log = await cluster.text(`${velaSystem}/pods/${metadata.name}/log?tailLines=20`);
      return [`pod ${metadata.name}:`, ...waiting, ...unmet, log].filter(Boolean).join('\n  ');
    });
    return await Promise.all(descriptions);
  }

  /** And deletes what it leaves behind, but what was there before. */
  async disable(): Promise<void> {
    const { cluster } = this.#options;
    if ((await cluster.read(addonApplication)) !== undefined) await vela(['addon', 'disable', 'aftersync']);
    const gone = { what: 'the addon to be gone', timeoutMs: goneWithinMs };
    await cluster.until(addonApplication, (object) => object === undefined, gone);
    for (const path of keptObjects) if (!this.#others.includes(path)) await cluster.remove(path);
  }
}
