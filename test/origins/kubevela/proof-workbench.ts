import { gzipSync, zstdCompressSync } from 'node:zlib';
import { authorityOf } from '../../../src/core/authority.ts';
import type { Execution, ExecutionRequest, Origin } from '../../../src/core/execution.ts';
import type { JsonObject } from '../../../src/core/json.ts';
import type { ProofResult } from '../../../src/core/origin.ts';
import { kubeVelaObject } from '../../../src/origins/kubevela/origin-object.ts';
import { Prover, type ProverOptions } from '../../../src/origins/kubevela/prover.ts';
import { type KubernetesObject, toKubernetesObject } from '../../../src/providers/kubernetes/kubernetes-object.ts';
import { type ObjectPlace, objectPath } from '../../../src/providers/kubernetes/resource-type.ts';
import { steps } from '../../../src/steps/index.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export const uid = '9d9f2bf4-8d0e-4b3e-9a8b-0b2a8a6b7c10';
export const sessionID = 'k3v9x0q1za';
export const hash = '5f0c3f0a9c1d2e3b';
export const neverAborted = new AbortController().signal;

/** The step of the example, as an author writes it. */
export const declaredSmoke = {
  name: 'smoke',
  type: 'trigger-github-action',
  properties: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main' },
};

export const smokeRequest: ExecutionRequest = {
  step: 'trigger-github-action',
  with: declaredSmoke.properties,
  origin: { kind: 'Application', namespace: 'shop', name: 'web', step: 'smoke', sessionID },
};

export interface Scene {
  /** Of the step's status; `undefined` removes a field. */
  readonly step?: JsonObject;
  /** `status.workflow.steps` in place of the one step. */
  readonly statusSteps?: readonly JsonObject[];
  readonly appRevision?: string;
  readonly latestRevision?: JsonObject | null;
  /** The workflow's steps in place of the one declared. */
  readonly declared?: readonly JsonObject[];
  readonly revisionSpec?: JsonObject;
  readonly revisionMetadata?: JsonObject;
  readonly compression?: 'gzip' | 'zstd';
}

/** The objects of Application shop/web, as vela-core 1.10.9 writes them while its step `smoke` runs. */
export function applicationObjects(scene: Scene = {}): { application: JsonObject; revision: JsonObject } {
  const { statusSteps = [{ ...runningStep, ...scene.step }], latestRevision = latest } = scene;
  const { declared = [declaredSmoke], appRevision = 'web-v3' } = scene;
  return {
    application: {
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'Application',
      metadata: { name: 'web', namespace: 'shop', uid },
      // An edit that KubeVela has not seen yet; it counts for nothing.
      spec: { components: [], workflow: { steps: [{ ...declaredSmoke, properties: { repository: 'acme/next' } }] } },
      status: {
        latestRevision,
        status: 'runningWorkflow',
        workflow: {
          appRevision,
          mode: 'StepByStep-DAG',
          status: 'executing',
          suspend: false,
          terminated: false,
          finished: false,
          steps: [applyStep, ...statusSteps],
        },
      },
    },
    revision: {
      apiVersion: 'core.oam.dev/v1beta1',
      kind: 'ApplicationRevision',
      metadata: {
        name: 'web-v3',
        namespace: 'shop',
        uid: '0c9a3f55-7a59-4f6e-b0ce-3f6d1c1c1f11',
        labels: { 'app.oam.dev/name': 'web', 'app.oam.dev/app-revision-hash': hash },
        ownerReferences: [
          { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name: 'web', uid, controller: true },
        ],
        ...scene.revisionMetadata,
      },
      spec: revisionSpec(
        { application: { spec: { components: [], workflow: { steps: declared } } }, ...scene.revisionSpec },
        scene.compression,
      ),
    },
  };
}

const latest = { name: 'web-v3', revision: 3, revisionHash: hash };
const applyStep = { id: 'a1b2c3d4e5', name: 'apply-web', type: 'apply-component', phase: 'succeeded' };
const runningStep = { id: sessionID, name: 'smoke', type: 'trigger-github-action', phase: 'running', reason: 'Wait' };

export function revisionSpec(fields: JsonObject, type?: 'gzip' | 'zstd'): JsonObject {
  if (type === undefined) return { ...fields, compression: {} };
  const compress = type === 'gzip' ? gzipSync : zstdCompressSync;
  const data = compress(JSON.stringify(fields)).toString('base64');
  return { application: { spec: { components: [] } }, compression: { type, data } };
}

/** A cluster in memory, with a prover on it. */
export class ProofWorkbench {
  readonly clock = new ManualClock();
  readonly reads: string[] = [];
  readonly misused: string[] = [];
  readonly prover: Prover;
  readonly #objects = new Map<string, KubernetesObject>();

  constructor(options: Partial<ProverOptions> = {}) {
    const stepNamed = (name: string) => steps.find((step) => step.name === name) ?? {};
    this.prover = new Prover({
      client: { read: async (place) => this.#read(place) },
      definitions: [],
      authorityOf: (step) => authorityOf(stepNamed(step)),
      authorityFromInputs: [],
      onMisuse: ({ metadata: { name } }, step) => this.misused.push(`${name}: ${step}`),
      clock: this.clock,
      ...options,
    });
  }

  /** With Application shop/web and its revision. */
  static withApplication(scene: Scene = {}, options: Partial<ProverOptions> = {}): ProofWorkbench {
    const bench = new ProofWorkbench(options);
    bench.stage(scene);
    return bench;
  }

  stage(scene: Scene): void {
    const { application, revision } = applicationObjects(scene);
    this.set(kubeVelaObject('Application', 'shop', 'web'), application);
    this.set(kubeVelaObject('ApplicationRevision', 'shop', 'web-v3'), revision);
  }

  set(place: ObjectPlace, object: JsonObject): void {
    const known = toKubernetesObject(object);
    if (known === undefined) throw new Error('a fixture is no Kubernetes object');
    this.#objects.set(objectPath(place), known);
  }

  async prove(changes: Partial<ExecutionRequest> & { readonly id?: string } = {}): Promise<ProofResult> {
    const { id = sessionID, ...request } = changes;
    return await this.prover.prove(execution(id, { ...smokeRequest, ...request }), neverAborted);
  }

  /** How a request ends that only says something else of its origin. */
  async proveFrom(origin: Partial<Origin>): Promise<ProofResult> {
    return await this.prove({ origin: { ...(smokeRequest.origin as Origin), ...origin } });
  }

  #read(place: ObjectPlace): KubernetesObject | undefined {
    this.reads.push(`${place.type.kind} ${place.namespace}/${place.name}`);
    return this.#objects.get(objectPath(place));
  }
}

export function execution(id: string, request: ExecutionRequest): Execution {
  return {
    namespace: request.origin?.namespace ?? 'default',
    id,
    version: 1,
    request,
    caller: 'workflow',
    createdAt: 0,
    deadline: 600_000,
    status: { state: 'pending', message: 'accepted', outputs: {}, attempts: 0, effects: [], signals: [] },
  };
}
