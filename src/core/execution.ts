import type { OnChange } from './change-gate.ts';
import type { Json, JsonObject } from './json.ts';
import type { OriginEnd, OriginProof } from './origin.ts';
import type { ReadyWhen } from './ready-gate.ts';
import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';

export const executionStates = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const;
export type ExecutionState = (typeof executionStates)[number];

export function isFinal(state: ExecutionState): boolean {
  return state !== 'pending' && state !== 'running';
}

/** Who an execution is: unique together. Both are DNS labels. */
export interface ExecutionKey {
  readonly namespace: string;
  readonly id: string;
}

export function sameKey(a: ExecutionKey, b: ExecutionKey): boolean {
  return a.id === b.id && a.namespace === b.namespace;
}

/** One text for a key, for maps. Neither part can hold a slash. */
export function keyText(key: ExecutionKey): string {
  return `${key.namespace}/${key.id}`;
}

/** The workflow step that asked, as it says of itself; what it says is proven before anything is sent. */
export interface Origin {
  readonly kind: 'Application' | 'WorkflowRun';
  readonly namespace: string;
  readonly name: string;
  readonly step: string;
  readonly sessionID: string;
}

/** What was asked, as sent: defaults are filled in when it is read, so that they can be compared with the declaration. */
export interface ExecutionRequest {
  readonly step: string;
  readonly with: JsonObject;
  readonly origin?: Origin;
  /** A duration such as `10m`, counted from createdAt. */
  readonly timeout?: string;
  readonly failurePolicy?: 'fail' | 'ignore';
  readonly onChange?: OnChange;
  readonly readyWhen?: ReadyWhen;
}

type StopReason = Extract<Reason, 'Cancelled' | 'Denied' | 'TimedOut'> | OriginEnd['reason'];

/** A stored wish that an execution ends. What ended before `at` is still reported truly. */
export interface Stop {
  readonly reason: StopReason;
  readonly at: EpochMs;
  /** Said to people: who asked, or which limit passed. */
  readonly message: string;
  /** When undoing is given up; set with the first advance that is told of the stop and has to wait. */
  readonly until?: EpochMs;
  /** Nothing is left whose record this could be: a store in the same cluster may delete it with its end. */
  readonly originIsDeleted?: true;
}

/**
 * The journal of one external write. `intentAt` is stored before the send; the entry is
 * open while none of `result`, `rejected` and `notSentAt` (set after the newest intent) closes it.
 */
export interface EffectRecord {
  readonly name: string;
  readonly repeat: Repeat;
  /** Stored with the intent; after a restart this one is sent, whatever the step would make of it now. */
  readonly request: Json;
  /** Found out before the send: the provider's time, what stood there already. */
  readonly evidence?: Json;
  readonly intentAt: EpochMs;
  /** When the newest send began; absent until its answer, or the lack of one, was recorded. */
  readonly sentAt?: EpochMs;
  readonly doneAt?: EpochMs;
  readonly result?: JsonObject;
  readonly rejected?: { readonly reason: Reason; readonly message: string };
  /** The newest send is known not to have happened. It goes out again, not before `notBefore`. */
  readonly notSentAt?: EpochMs;
  readonly notBefore?: EpochMs;
  /** Bulk work only. */
  readonly progress?: ProgressRecord;
}

/** What a repeat of an effect means; see Effect. */
export type Repeat = 'safe' | 'keyed' | 'find';

/** How far bulk work has come: by item, not by batch, so that another batch size goes on where this one stopped. */
export interface ProgressRecord {
  readonly digest: string;
  readonly total: number;
  /** Half-open ranges of item indexes, ascending and apart. */
  readonly done: readonly (readonly [start: number, end: number])[];
  /** The first 100 that were refused; `failedCount` tells of all. */
  readonly failed: readonly { readonly index: number; readonly message: string }[];
  readonly failedCount: number;
  /** What the provider gave for later questions, such as the ids of its jobs. */
  readonly receipts: readonly Json[];
}

/** What `onChange` saw, once and for all: found out after the proof, stored before the first intent. */
export interface ChangeRecord {
  /** digestOf(what was seen, and the step's declared parameters). */
  readonly digest: string;
  /** Where it is small: for people, and for the next execution to tell what there was before. */
  readonly value?: Json;
}

/** Everything about an execution that changes; written whole, by compare-and-swap. */
export interface ExecutionStatus {
  readonly state: ExecutionState;
  readonly reason?: Reason;
  readonly message: string;
  readonly outputs: JsonObject;
  readonly startedAt?: EpochMs;
  readonly finishedAt?: EpochMs;
  /** The incarnation of a process that advances it, where several share the store; see Holding. */
  readonly holder?: string;
  /** Advances that threw. */
  readonly attempts: number;
  readonly stop?: Stop;
  readonly effects: readonly EffectRecord[];
  /** Of the origin; absent until it is proven, and where there is none. */
  readonly proof?: OriginProof;
  /** Which recurring step this is one execution of; absent where nothing recurs, and until the origin is proven. */
  readonly originStep?: string;
  /** Since when it is the one execution of its origin step that acts. */
  readonly turnAt?: EpochMs;
  readonly change?: ChangeRecord;
  /** Of `readyWhen`: since when it holds, which is looked at once; before that what the gate keeps between looks. */
  readonly readiness?: { readonly readyAt: EpochMs } | { readonly state: Json };
  /** The step's own small memory between advances. */
  readonly stepState?: Json;
  /** When to advance next though nothing was signalled. */
  readonly wakeAt?: EpochMs;
  /** What to advance on: `<source prefix>:<key>`. */
  readonly signals: readonly string[];
  /** One of them that another process has heard of for the holder, who takes it away with its next write. */
  readonly signal?: string;
}

/** Of an execution that was asked for and not begun. */
export function initialStatus(createdAt: EpochMs, originStep: string | undefined): ExecutionStatus {
  return {
    state: 'pending',
    message: 'accepted',
    outputs: {},
    attempts: 0,
    effects: [],
    ...(originStep === undefined ? {} : { originStep }),
    signals: [],
    wakeAt: createdAt,
  };
}

export interface Execution extends ExecutionKey {
  /** Raised by each write; a write names the one it read. */
  readonly version: number;
  /** As it was sent, without defaults. */
  readonly request: ExecutionRequest;
  /** Who asked through the API: a token's name, or `anonymous` on a loopback server. */
  readonly caller: string;
  readonly createdAt: EpochMs;
  readonly deadline: EpochMs;
  readonly status: ExecutionStatus;
}

/** An effect whose fate is not known: sent or perhaps sent, without an answer. */
export function isOpen(effect: EffectRecord): boolean {
  return effect.doneAt === undefined && effect.rejected === undefined && effect.notSentAt === undefined;
}
