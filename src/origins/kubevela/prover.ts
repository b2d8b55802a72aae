import type { Execution, Origin } from '../../core/execution.ts';
import { digestOf } from '../../core/json.ts';
import type { Origins, ProofResult } from '../../core/origin.ts';
import { Problem } from '../../core/problem.ts';
import type { Clock } from '../../core/time.ts';
import { disagreement, fixedProperties, type InputPolicy } from './agreement.ts';
import { Declarations, type DeclarationsOptions } from './declarations.ts';
import { definitionFor, ownTypes, type Wrapper } from './definition.ts';
import { hasEnded } from './following.ts';
import { originObject, readObject } from './origin-object.ts';
import { originWords } from './origin-source.ts';
import { type StepStatus, stepWithId, workflowStatusOf } from './workflow-status.ts';

/** A tick of KubeVela waits 5 s for its answer, and a step whose ticks fail is given up after 11 of them. */
const existenceLimitMs = 3_000;

export interface ProverOptions extends DeclarationsOptions, InputPolicy {
  readonly definitions: readonly Wrapper[];
  readonly clock: Clock;
}

// One text for all that is not to be seen yet: KubeVela asks each second while a message changes.
const unproven: ProofResult = { kind: 'unproven', message: 'waiting for KubeVela to record this step' };

/**
 * Proves a request by what stands in the cluster: it carries no credential, so that it can only ask for what somebody was
 * let write into the Application or WorkflowRun.
 */
export class Prover implements Pick<Origins, 'assertExists' | 'prove'> {
  readonly #options: ProverOptions;
  readonly #declarations: Declarations;

  constructor(options: ProverOptions) {
    this.#options = options;
    this.#declarations = new Declarations(options);
  }

  async assertExists(origin: Origin): Promise<void> {
    const words = originWords(origin);
    const limit = AbortSignal.timeout(existenceLimitMs);
    const object = await readObject(this.#options.client, originObject(origin), limit).catch((cause: unknown) => {
      throw new Problem('unavailable', `the cluster does not say now whether there is ${words}`, { cause });
    });
    if (object === undefined) throw new Problem('origin-missing', `the cluster has no ${words}`);
  }

  /** Throws where the cluster cannot be asked, and Rejected where it does not let us see or what it shows cannot be read. */
  async prove({ id, request }: Execution, signal: AbortSignal): Promise<ProofResult> {
    const { origin } = request;
    if (origin === undefined) throw new Error(`execution ${id} has no origin to prove`);
    const { client, clock, definitions } = this.#options;
    const object = await readObject(client, originObject(origin), signal);
    const step = object && stepWithId(workflowStatusOf(origin.kind, object), id);
    if (object?.metadata.uid === undefined || step === undefined) return unproven;

    if (step.name !== origin.step) return denied(origin, `has not this session, which is that of step ${step.path}`);
    if (hasEnded(step)) return denied(origin, `has ended (${step.reason || step.phase}), so that it asks for nothing`);
    if (!isUnderWay(step)) return unproven;
    const definition = definitionFor(step.type, request.step, definitions);
    if (definition === undefined) return denied(origin, `is ${wrongType(step.type, request.step)}`);

    const declaration = await this.#declarations.of(origin, object, signal);
    if (declaration === undefined) return unproven;
    const declared = declaration.steps.find(({ path }) => path === step.path);
    if (declared === undefined) return denied(origin, 'is not declared by its workflow');
    const mistake = definition === 'own' ? disagreement(request, declared, this.#options) : undefined;
    if (mistake !== undefined) return denied(origin, mistake);
    return {
      kind: 'proven',
      proof: { uid: object.metadata.uid, declared: digestOf(fixedProperties(declared)), provenAt: clock.now() },
      originStep: `${declaration.recursAs}/${step.path}`,
    };
  }
}

/** What is pending has asked for nothing: its inputs are not known yet. `vela workflow suspend` only keeps KubeVela from asking on. */
function isUnderWay({ phase, reason }: StepStatus): boolean {
  return phase === 'running' || phase === 'suspending' || (phase === 'failed' && reason === 'Execute');
}

function denied(origin: Origin, what: string): ProofResult {
  return { kind: 'denied', message: `step ${origin.step} of ${originWords(origin)} ${what}` };
}

function wrongType(type: string, step: string): string {
  return (
    `of type ${JSON.stringify(type)}: ${step} takes requests of ${ownTypes(step).join(', ')} and of the types that ` +
    'kubevela.definitions names for it'
  );
}
