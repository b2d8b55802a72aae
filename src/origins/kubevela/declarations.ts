import type { Origin } from '../../core/execution.ts';
import { isJsonObject } from '../../core/json.ts';
import { LruMap } from '../../core/lru-map.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import { type DeclaredStep, declaredSteps } from './declaration.ts';
import { kubeVelaObject, readObject } from './origin-object.ts';
import { isLatestRevision, isRunAs, type Revision, toRevision } from './revision.ts';
import { workflowStatusOf } from './workflow-status.ts';

/** Together at most 64 MiB: what is larger is read each time. */
const mostKept = 512;
const mostCharactersKept = 64 * 1024;

/** The steps that a workflow declares, and what their paths are put behind to name them as steps that recur. */
export interface Declaration {
  readonly steps: readonly DeclaredStep[];
  readonly recursAs: string;
}

export interface DeclarationsOptions {
  /** Of the cluster whose KubeVela calls us. */
  readonly client: Pick<KubernetesClient, 'read'>;
  /** Told once for each revision, of each step that gives our parameters to a built-in of the same name. */
  readonly onMisuse: (application: KubernetesObject, step: string) => void;
}

/** Reads what workflows declare. Revisions are kept, for they do not change; all else is read each time. */
export class Declarations {
  readonly #options: DeclarationsOptions;
  readonly #revisions = new LruMap<string, Revision>(mostKept);
  readonly #looked = new LruMap<string, true>(mostKept);

  constructor(options: DeclarationsOptions) {
    this.#options = options;
  }

  /**
   * What the workflow that runs in this object declares. Undefined: it is not to be seen, or not yet. Throws
   * Rejected where it cannot be read or does not let us see, and anything else where the cluster cannot be asked.
   */
  async of(origin: Origin, object: KubernetesObject, signal: AbortSignal): Promise<Declaration | undefined> {
    return origin.kind === 'Application'
      ? await this.#ofApplication(origin, object, signal)
      : await this.#ofWorkflowRun(origin, object, signal);
  }

  async #ofApplication(
    { namespace }: Origin,
    application: KubernetesObject,
    signal: AbortSignal,
  ): Promise<Declaration | undefined> {
    const latest = part(part(application, 'status'), 'latestRevision');
    const [name, hash] = [text(latest, 'name'), text(latest, 'revisionHash')];
    const { uid } = application.metadata;
    const key = `${uid}/${name}/${hash}`;
    let revision = this.#revisions.get(key);
    if (revision === undefined) {
      const object = await readObject(
        this.#options.client,
        kubeVelaObject('ApplicationRevision', namespace, name),
        signal,
      );
      if (object === undefined || !isLatestRevision(object, application, hash)) return undefined;
      revision = toRevision(object);
      if (JSON.stringify(revision).length <= mostCharactersKept) this.#revisions.set(key, revision);
    }
    if (!isRunAs(workflowStatusOf('Application', application).appRevision, revision)) return undefined;
    if (this.#looked.get(key) === undefined) {
      this.#looked.set(key, true);
      for (const step of revision.misused) this.#options.onMisuse(application, step);
    }
    return { steps: revision.steps, recursAs: `Application/${uid}` };
  }

  /** KubeVela itself reads the Workflow anew at each tick (kubevela/workflow: pkg/generator/generator.go). */
  async #ofWorkflowRun(
    { namespace }: Origin,
    run: KubernetesObject,
    signal: AbortSignal,
  ): Promise<Declaration | undefined> {
    const { workflowSpec, workflowRef } = part(run, 'spec');
    if (isJsonObject(workflowSpec)) {
      return { steps: declaredSteps(workflowSpec.steps), recursAs: `WorkflowRun/${run.metadata.uid}` };
    }
    if (typeof workflowRef !== 'string') return undefined;
    const workflow = await readObject(this.#options.client, kubeVelaObject('Workflow', namespace, workflowRef), signal);
    // Not as of a run, whose UID a namespace may have for its name.
    return workflow && { steps: declaredSteps(workflow.steps), recursAs: `Workflow/${namespace}/${workflowRef}` };
  }
}
