import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../../src/core/json.ts';
import { type Clock, type EpochMs, systemClock } from '../../../src/core/time.ts';
import type { Kubernetes } from '../kubernetes/start-kubernetes.ts';
import type { ManualClock } from '../manual-clock.ts';
import type { Compression } from './application-revision.ts';
import { ApiError, type Change, Cluster, nameOf, type ObjectName } from './cluster.ts';
import { addonDefinitions, type Definitions, definitionOf, findDefinition } from './definitions.ts';
import { executeWorkflow, type StepRun, WorkflowMemory, withSubSteps } from './execute-workflow.ts';
import { callHttp, type Services } from './http-call.ts';
import type { Application, KubernetesObject, StepStatus, WorkflowRun } from './objects.ts';
import { reconcileApplication } from './reconcile-application.ts';
import { reconcileWorkflowRun } from './reconcile-workflow-run.ts';
import { stepKinds } from './step-kinds.ts';
import { type KubeVelaVersion, runTemplate } from './step-template.ts';
import { WorkQueue } from './work-queue.ts';
import type { OwnedWorkflow, OwnerTools } from './workflow-owner.ts';

/**
 * KubeVela's workflow engine, as far as steps that call a server can tell: on a real API server, with the real CUE, in our
 * process and on a clock of choice. The files beside this one are its parts; each names what in KubeVela it was written from.
 *
 * What it does not imitate:
 * - Components are Deployments (`webservice`) or given objects (`k8s-objects`), without traits and policies; they count as
 *   healthy once applied. An Application needs a workflow of its own, there is no default one.
 * - What the engine keeps beside the status (outputs, counts, suspensions) is in memory, not in a ConfigMap.
 * - It reads live where KubeVela reads a cache, so it never acts on what is out of date.
 * - An ApplicationRevision is created plain and compressed at the next reconcile, in KubeVela at its first change.
 * - Templates are evaluated before and after each call, not field by field: one must be complete while its call is unanswered.
 *   One that cannot be built, as it imports what is not there, is an error; KubeVela takes such a step for done.
 *   `context` lacks `spanID` and `clusterVersion`; `valueFrom` and `from` are paths, no expressions.
 * - Of the built-in steps there are apply-component, suspend, step-group, request and print-message-in-status.
 * - Restarts of single steps, debug mode, the admission webhook and the features that are off by default are missing.
 */
export interface WorkflowEngineOptions {
  readonly kubernetes: Kubernetes;
  readonly version: KubeVelaVersion;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: what the addon installs. */
  readonly definitions?: Definitions;
  /** Where the Services that definitions name really are. */
  readonly services?: Services;
  /** Default zstd, as in KubeVela's chart. */
  readonly compression?: Compression;
  /** How many workflows tick at once. Default 4, as in KubeVela. */
  readonly workers?: number;
  /** Whether a write that would store the first status of a step is lost, as a conflict would make it. Default: never. */
  readonly losesFirstWrite?: () => boolean;
  /** A step's call is about to be sent. */
  readonly onCall?: (call: Pick<StepCall, 'owner' | 'step' | 'id'>) => void;
  /** Between a tick and the write of its status. */
  readonly beforeWrite?: (owner: ObjectName) => Promise<void>;
  /** The only namespace that it looks after. Default: all. */
  readonly namespace?: string;
  /** Default true; false for a cluster without their CustomResourceDefinition. */
  readonly watchesWorkflowRuns?: boolean;
}

/** A call that a step made, with what came of it. */
export interface StepCall {
  readonly at: EpochMs;
  /** Name of the Application or WorkflowRun. */
  readonly owner: string;
  readonly step: string;
  readonly id: string;
  readonly url: string;
  /** Absent where there was no answer. */
  readonly statusCode?: number;
}

const applicationType = { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' };
const workflowRunType = { apiVersion: 'core.oam.dev/v1alpha1', kind: 'WorkflowRun' };

export class WorkflowEngine {
  readonly cluster: Cluster;
  readonly #options: WorkflowEngineOptions;
  readonly #clock: Clock;
  readonly #definitions: Definitions;
  readonly #queue: WorkQueue;
  readonly #memories = new Map<string, WorkflowMemory>();
  readonly #calls: StepCall[] = [];
  readonly #errors: Error[] = [];
  readonly #stop = new AbortController();
  #conflicts = 0;

  private constructor(options: WorkflowEngineOptions) {
    this.#options = options;
    this.cluster = new Cluster(options.kubernetes);
    this.#clock = options.clock ?? systemClock;
    this.#definitions = options.definitions ?? addonDefinitions();
    this.#queue = new WorkQueue(this.#clock, options.workers ?? 4, (key) => this.#reconcile(key));
  }

  /** Looks after everything that is there, and that comes. */
  static async start(options: WorkflowEngineOptions): Promise<WorkflowEngine> {
    const engine = new WorkflowEngine(options);
    const { signal } = engine.#stop;
    await engine.cluster.watch<Application>(
      applicationType,
      (change) => engine.#see(change, isChangeOfApplication),
      signal,
    );
    if (options.watchesWorkflowRuns !== false) {
      await engine.cluster.watch<WorkflowRun>(workflowRunType, (change) => engine.#see(change, isChangeOfRun), signal);
    }
    return engine;
  }

  /** Every call of every step, in order. */
  get calls(): readonly StepCall[] {
    return this.#calls;
  }

  callsOf(step: string): readonly StepCall[] {
    return this.#calls.filter((call) => call.step === step);
  }

  /** Why reconciles were given up, apart from conflicts. They are tried again. */
  get errors(): readonly Error[] {
    return this.#errors;
  }

  /** How many status writes met a newer object, or were lost. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** What installing or upgrading an addon does; the next tick uses it. */
  define(type: string, definition: string): void {
    this.#definitions[type] = definition;
  }

  /** When it looks at a workflow again though nothing changes: the first of them all. */
  get nextDue(): EpochMs | undefined {
    return this.#queue.nextDue;
  }

  /** Resolves when no tick is under way and none is wanted now. What the API server has not told of yet is not known. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  /** Lets the time of its own clock pass, each tick done at the time that it is due. */
  async runFor(clock: ManualClock, spanMs: number): Promise<void> {
    const until = clock.now() + spanMs;
    await this.idle();
    for (let due = this.#queue.nextDue; due !== undefined && due <= until; due = this.#queue.nextDue) {
      clock.advance(due - clock.now());
      await this.idle();
    }
    clock.advance(until - clock.now());
  }

  /** Ends with the ticks that are under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#queue.close();
  }

  #see<T extends KubernetesObject>(change: Change<T>, isOne: (old: T, object: T) => boolean): void {
    const { old, object, isDeletion } = change;
    const { namespace = object.metadata.namespace } = this.#options;
    if (object.metadata.namespace !== namespace) return;
    if (isDeletion) this.#memories.delete(object.metadata.uid ?? '');
    else if (old === undefined || isOne(old, object)) this.#queue.add(JSON.stringify(nameOf(object)));
  }

  async #reconcile(key: string): Promise<EpochMs | undefined> {
    const name: ObjectName = JSON.parse(key);
    try {
      const owner = await this.cluster.get<KubernetesObject>(name);
      if (owner === undefined) return undefined;
      const { againInMs } =
        owner.kind === 'Application'
          ? await reconcileApplication(owner as Application, {
              ...this.#tools(),
              compression: this.#options.compression ?? 'zstd',
              definitionOf: ({ metadata: { namespace = 'default' } }, type) =>
                findDefinition(this.#definitions, namespace, type),
            })
          : await reconcileWorkflowRun(owner as WorkflowRun, this.#tools());
      return againInMs === undefined ? undefined : this.#clock.now() + againInMs;
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) this.#conflicts += 1;
      else this.#errors.push(error as Error);
      throw error;
    }
  }

  #tools(): OwnerTools {
    return {
      cluster: this.cluster,
      clock: this.#clock,
      memoryOf: ({ metadata: { uid = '' } }) => {
        const memory = this.#memories.get(uid) ?? new WorkflowMemory();
        this.#memories.set(uid, memory);
        return memory;
      },
      tick: (owner, workflow) =>
        executeWorkflow(workflow, {
          version: this.#options.version,
          clock: this.#clock,
          runStep: (run) => this.#runStep(owner, workflow, run),
        }),
      write: (read, changed) => this.#write(read, changed),
    };
  }

  async #runStep(owner: KubernetesObject, { applyComponent }: OwnedWorkflow, run: StepRun) {
    const { step, parameter, context, outcome } = run;
    const call = async ($params: JsonObject) => {
      const made = {
        at: this.#clock.now(),
        owner: owner.metadata.name,
        step: step.name,
        id: run.id,
        url: String($params.url),
      };
      this.#options.onCall?.(made);
      try {
        const answer = await callHttp($params, this.#options.services ?? {});
        this.#calls.push({ ...made, statusCode: Number(answer.statusCode) });
        return answer;
      } catch (error) {
        this.#calls.push(made);
        throw error;
      }
    };
    const kind = stepKinds[step.type];
    if (kind !== undefined) {
      return kind(run, { clock: this.#clock, call, ...(applyComponent !== undefined && { applyComponent }) });
    }
    return runTemplate({
      version: this.#options.version,
      definition: definitionOf(this.#definitions, owner.metadata.namespace ?? 'default', step.type),
      parameter,
      context,
      outcome,
      call: ({ params }) => call(params as JsonObject),
    });
  }

  async #write<T extends KubernetesObject>(read: T, changed: T): Promise<void> {
    if (isDeepStrictEqual(statusOf(read), statusOf(changed))) return;
    await this.#options.beforeWrite?.(nameOf(read));
    const isFirst = idsIn(changed).some((id) => !idsIn(read).includes(id));
    if (isFirst && this.#options.losesFirstWrite?.()) throw new ApiError(409, 'the status write is lost');
    await this.cluster.replaceStatus(changed);
  }
}

function statusOf(owner: KubernetesObject): unknown {
  return (owner as { readonly status?: unknown }).status;
}

function idsIn(owner: KubernetesObject): readonly (string | undefined)[] {
  return withSubSteps(stepsOf(owner)).map(({ id }) => id);
}

/** The steps in the status of an Application or a WorkflowRun. */
export function stepsOf(owner: KubernetesObject): readonly StepStatus[] {
  const { status } = owner as Application | WorkflowRun;
  if (status === undefined) return [];
  return ('workflow' in status ? status.workflow?.steps : 'steps' in status ? status.steps : undefined) ?? [];
}

/** What makes the engine look at an Application at once: any change but that of the progress of its own workflow. */
function isChangeOfApplication(old: Application, object: Application): boolean {
  if (old.metadata.generation !== object.metadata.generation) return true;
  const phases = [old.status?.status, object.status?.status];
  if (phases[1] === 'rendering' || (phases[0] === 'rendering' && phases[1] === 'runningWorkflow')) return false;
  return !isDeepStrictEqual(withoutProgress(old), withoutProgress(object));
}

function withoutProgress({ metadata, status = {}, ...rest }: Application): object {
  const { workflow, appliedResources: _, ...others } = status;
  if (workflow === undefined) return { ...rest, metadata: stable(metadata), status: others };
  const { steps: __, message: ___, endTime: ____, ...settled } = workflow;
  return { ...rest, metadata: stable(metadata), status: { ...others, workflow: settled } };
}

function isChangeOfRun(old: WorkflowRun, object: WorkflowRun): boolean {
  if (object.status?.finished === true) return false;
  const settled = ({ metadata, status, ...rest }: WorkflowRun) => {
    const { steps: _, ...others } = status ?? {};
    return { ...rest, metadata: stable(metadata), status: others };
  };
  return !isDeepStrictEqual(settled(old), settled(object));
}

function stable(metadata: KubernetesObject['metadata']): object {
  const { resourceVersion: _, managedFields: __, ...rest } = metadata as typeof metadata & { managedFields?: unknown };
  return rest;
}
