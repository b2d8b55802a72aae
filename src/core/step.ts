import type { Static, TSchema } from '@sinclair/typebox';
import type { Logger } from 'pino';
import type { Family } from './connection.ts';
import type { Effect } from './effect.ts';
import type { Execution, ProgressRecord, Stop } from './execution.ts';
import type { Json, JsonObject } from './json.ts';
import type { Reason } from './reason.ts';
import type { EpochMs } from './time.ts';

/** What an advance comes to. A throw means "could not tell" and is retried; NotSent and Rejected may be thrown through. */
export type Outcome<O extends JsonObject = JsonObject> =
  | { readonly kind: 'succeeded'; readonly outputs: O; readonly message?: string }
  | { readonly kind: 'failed'; readonly reason: Reason; readonly message: string; readonly outputs?: Partial<O> }
  | {
      readonly kind: 'waiting';
      /** Constant within a phase: KubeVela polls each second while it changes. */
      readonly message: string;
      readonly until?: EpochMs;
      /** `<source prefix>:<key>`, each raised once when it is subscribed to. */
      readonly signals?: readonly string[];
      /** What is known already, such as the run's URL. */
      readonly outputs?: Partial<O>;
      /** Durable, at most 16 KiB; `ctx.state` of the next advance. Absent: unchanged. */
      readonly state?: Json;
    };

/** Either the effect's result, or the outcome that advance must return now: nothing to swallow by mistake. */
export type Settled<T> = { readonly done: T } | { readonly stop: Outcome<never> };

/** Bulk work: `count` items that sendRange knows by index. Another digest means other items, so it starts over. */
export interface Items {
  readonly count: number;
  readonly digest: string;
  /** How many items one sendRange takes, and how many of those run at once. Both may differ at the next start. */
  readonly batchSize: number;
  readonly concurrency: number;
}

/** Sends items [start, end). All of them count as done afterwards, those named in `failed` as refused for good. */
export type SendRange = (range: { readonly start: number; readonly end: number }) => Promise<{
  readonly failed?: readonly { readonly index: number; readonly message: string }[];
  /** Kept in the journal, for instance a job's id. Few and small: all receipts together share 16 KiB. */
  readonly receipt?: Json;
}>;

export interface StepContext {
  readonly execution: Execution;
  readonly state: Json | undefined;
  /** Set when the execution is to end: send nothing new but what undoes, and return failed with this reason. */
  readonly stop: Stop | undefined;
  readonly log: Logger;
  /** Aborts reads when the advance has run out of time. Never give it to a send. */
  readonly readsAborted: AbortSignal;
  now(): EpochMs;
  effect<R extends Json, T extends JsonObject>(name: string, effect: Effect<R, T>): Promise<Settled<T>>;
  /** Bulk work that may be repeated. Done means every item was tried; look at `failedCount`. */
  progress(name: string, items: Items, sendRange: SendRange): Promise<Settled<ProgressRecord>>;
  /**
   * The client of the connection that `uses` named; Rejected where there is none or policy says no. `claims`: further
   * values to check, which only the advance could find out.
   */
  connection<C>(family: Family, claims?: ConnectionUse['claims']): Promise<C>;
}

type PlanContext = Pick<StepContext, 'connection' | 'now' | 'log'>;

/** What a step would do; nothing is sent to find it out. */
export interface Plan {
  readonly calls: readonly {
    readonly description: string;
    readonly method: string;
    /** Without secrets. */
    readonly url: string;
    readonly count: number;
  }[];
  /** Lower bound from the provider's limits, without round trips. */
  readonly seconds: number;
  /** In US dollars, where the provider charges for it. */
  readonly costUsd?: number;
  readonly notes: readonly string[];
}

/** What a step needs of a connection, checked by the engine before the step is started. */
export interface ConnectionUse {
  readonly family: Family;
  /** Absent: the only or the default connection of the family. */
  readonly name?: string;
  /** Values to check against the connection's `allow` lists: `{ repositories: ['acme/shop'] }`. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
}

/**
 * A named unit of work. It does not run, it advances: `advance` is called when an execution is new and each time
 * something that it waits for happens, and returns within 30 s.
 */
export interface Step<P extends TSchema = TSchema, O extends TSchema = TSchema> {
  readonly name: string;
  /** One sentence for the catalogue. */
  readonly description: string;
  /** One source: validation, defaults, OpenAPI, docs, and the check of the CUE parameters. */
  readonly params: P;
  readonly outputs: O;
  readonly defaultTimeout: string;
  /** Fields of `with` that decide on what is acted with whose rights, as JSON Pointers: a workflow's input may not feed them. */
  readonly authority?: readonly string[];
  /** Mistakes that the schema cannot express; each names its path below `with`, such as `/urls/0`. */
  check?(params: Static<P>): readonly { readonly path: string; readonly message: string }[];
  uses?(params: Static<P>): readonly ConnectionUse[];
  advance(context: StepContext, params: Static<P>): Promise<Outcome<Static<O> & JsonObject>>;
  plan?(context: PlanContext, params: Static<P>): Promise<Plan>;
}

/** Fixes the schema types of a literal, so that `advance` and its parameters agree. */
export function defineStep<P extends TSchema, O extends TSchema>(step: Step<P, O>): Step<P, O> {
  return step;
}
