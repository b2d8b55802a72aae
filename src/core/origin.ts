import type { Execution, Origin } from './execution.ts';
import type { Reason } from './reason.ts';
import type { SignalSource } from './signal.ts';
import type { EpochMs } from './time.ts';

/** What was seen of the origin when it was proven; kept with the execution. */
export interface OriginProof {
  /** Of the Application or WorkflowRun. */
  readonly uid: string;
  /** digestOf(the properties that the workflow declares for this step, without what its inputs feed). */
  readonly declared: string;
  readonly provenAt: EpochMs;
}

/** Why an execution is to stop though nobody cancelled it: what its origin came to. */
export interface OriginEnd {
  readonly reason: Extract<Reason, 'Superseded' | 'OriginTimedOut' | 'OriginGone'>;
  /** Said to people: what of which object was seen. */
  readonly message: string;
  /** The object itself is gone, or going. */
  readonly originIsDeleted?: true;
}

export type ProofResult =
  | {
      readonly kind: 'proven';
      readonly proof: OriginProof;
      /** Which recurring step this is one execution of: kind, UID (a WorkflowRun: its workflowRef) and step path. */
      readonly originStep: string;
    }
  /** Not to be seen yet. Whoever asked so without right is never seen, and is forgotten. */
  | { readonly kind: 'unproven'; readonly message: string }
  /** It stands there, and says something else than the request. The message names the rule and the first difference. */
  | { readonly kind: 'denied'; readonly message: string };

/** Proves and follows the workflow steps that ask, and tells them what became of it. */
export interface Origins {
  /** Raises an execution's signal whenever `prove` or `look` may say something new. */
  readonly source: SignalSource;
  signalOf(execution: Execution): string;
  /** Before anything is recorded. Problem `origin-missing` only where the cluster says, just now, that it does not exist. */
  assertExists(origin: Origin): Promise<void>;
  /** By a live read. Throws where the cluster cannot be asked. */
  prove(execution: Execution, signal: AbortSignal): Promise<ProofResult>;
  /** Right before an intent: what a proven origin has come to by a live read; undefined while it stands. Throws where it cannot be asked. */
  verify(execution: Execution, signal: AbortSignal): Promise<OriginEnd | undefined>;
  /** The same by what the watch knows, which may be nothing. */
  look(execution: Execution): OriginEnd | undefined;
  /**
   * A tick of the workflow engine is about to be answered with this. Called for each; must be cheap. Problem `unavailable`
   * where the engine asks by a state that it has left: an answer would make it do again what comes after the step.
   */
  asked(execution: Execution): void;
  /** Begins to wake origins and to write Events. */
  start(): void;
  close(): Promise<void>;
}
