import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Kubernetes } from '../kubernetes/start-kubernetes.ts';
import { ManualClock } from '../manual-clock.ts';
import { Cluster, nameOf, type ObjectName } from './cluster.ts';
import { ExecutorStandIn } from './executor-stand-in.ts';
import type { Application, Component, StepStatus, WorkflowRun, WorkflowStep } from './objects.ts';
import { stepsOf, WorkflowEngine, type WorkflowEngineOptions } from './workflow-engine.ts';

const settings: Component = {
  name: 'settings',
  type: 'k8s-objects',
  properties: { objects: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { a: '1' } }] },
};

/** An engine and an executor of their own, in a namespace of their own. */
export class EngineStage {
  readonly engine: WorkflowEngine;
  readonly executor: ExecutorStandIn;
  readonly namespace: string;
  readonly clock: ManualClock;
  static #count = 0;

  private constructor(parts: Pick<EngineStage, 'engine' | 'executor' | 'namespace' | 'clock'>) {
    this.engine = parts.engine;
    this.executor = parts.executor;
    this.namespace = parts.namespace;
    this.clock = parts.clock;
  }

  static async set(
    t: TestContext,
    kubernetes: Kubernetes,
    options: Partial<WorkflowEngineOptions> = {},
  ): Promise<EngineStage> {
    EngineStage.#count += 1;
    const namespace = `stage-${EngineStage.#count}`;
    const cluster = new Cluster(kubernetes);
    await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    const executor = await ExecutorStandIn.start();
    // Not at the start of a second: intervals are counted from whole seconds.
    const clock = new ManualClock(Date.UTC(2026, 10, 21, 2, 0, 0, 700));
    const engine = await WorkflowEngine.start({
      kubernetes,
      version: '1.10',
      clock,
      namespace,
      services: { 'http://aftersync.vela-system:8080': executor.url },
      watchesWorkflowRuns: false,
      ...options,
    });
    t.after(async () => {
      await engine.close();
      await executor[Symbol.asyncDispose]();
      assert.deepEqual(engine.errors, []);
    });
    return new EngineStage({ engine, executor, namespace, clock });
  }

  async create(steps: readonly WorkflowStep[], metadata: object = {}): Promise<ObjectName> {
    const application = await this.engine.cluster.create<Application>(this.application(steps, metadata));
    return nameOf(application);
  }

  application(steps: readonly WorkflowStep[], metadata: object = {}) {
    return {
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'Application',
      metadata: { name: 'shop', namespace: this.namespace, ...metadata },
      spec: { components: [settings], workflow: { steps } },
    };
  }

  async read(): Promise<Application> {
    return (await this.engine.cluster.get<Application>(this.#name)) ?? assert.fail('no Application');
  }

  /** As soon as its status has that. */
  until(isSo: (application: Application) => boolean): Promise<Application> {
    return this.engine.cluster.waitFor(this.#name, isSo);
  }

  untilPhase(phase: string): Promise<Application> {
    return this.until(({ status }) => status?.workflow?.status === phase);
  }

  get #name(): ObjectName {
    return { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name: 'shop', namespace: this.namespace };
  }

  async runFor(spanMs: number): Promise<void> {
    await this.engine.runFor(this.clock, spanMs);
  }
}

/** Name, phase, reason and message of each step. */
export function brief(owner: Application | WorkflowRun): readonly (readonly (string | undefined)[])[] {
  return stepsOf(owner).map(({ name, phase, reason, message }) => [name, phase, reason, message]);
}

/** The status of a step or sub-step. */
export function stepOf(owner: Application | WorkflowRun, name: string): StepStatus {
  const all = stepsOf(owner).flatMap((step) => [step, ...(step.subSteps ?? [])]);
  return all.find((step) => step.name === name) ?? assert.fail(`no step ${name} in the status`);
}
