import type { Static } from '@sinclair/typebox';
import type { JsonObject } from '../core/json.ts';
import type { ExecutionAnswerSchema } from '../http/answer.ts';

export type { Plan } from '../core/step.ts';

/** What every call answers about an execution. */
export type ExecutionAnswer = Static<typeof ExecutionAnswerSchema>;

/** A page of GET /v1/executions. */
export interface ExecutionPage {
  readonly items: readonly ExecutionAnswer[];
  readonly continue?: string;
}

/** A step of GET /v1/steps. */
export interface StepAnswer {
  readonly name: string;
  readonly description: string;
  readonly defaultTimeout: string;
  readonly canPlan: boolean;
  /** JSON Schemas. */
  readonly params: JsonObject;
  readonly outputs: JsonObject;
}

/** What is asked for: the body of POST and PUT /v1/executions. */
export interface RunRequest {
  readonly step: string;
  readonly with: JsonObject;
  readonly timeout?: string;
}

/** How an execution is named: by an id of the caller's, by a key that the server makes an id of, or by neither. */
export interface RunIdentity {
  readonly namespace: string | undefined;
  readonly id: string | undefined;
  readonly key: string | undefined;
}

/** Starts executions and tells how they go: a server, or this process. */
export interface Runner {
  submit(request: RunRequest, identity: RunIdentity): Promise<ExecutionAnswer>;
  /**
   * The execution as it stands, then each change, until its end. Ends early, without an error, when `signal` aborts.
   * `onGap` is told when the changes cannot be had for the time being.
   */
  follow(
    execution: ExecutionAnswer,
    options: { readonly signal: AbortSignal; readonly onGap: (reason: string) => void },
  ): AsyncIterable<ExecutionAnswer>;
}
