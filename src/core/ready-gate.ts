import { type Static, Type } from '@sinclair/typebox';
import { ClusterConnectionSchema, ObjectNameSchema, WaitForSchema } from './awaited-object.ts';
import type { InputMistake } from './problem.ts';
import type { ConnectionUse, Outcome, StepContext } from './step.ts';

/** What must hold before a step is begun, whichever step it is. */
export const ReadyWhenSchema = Type.Object(
  {
    object: ObjectNameSchema,
    waitFor: Type.Optional({ ...WaitForSchema, description: `${WaitForSchema.description} Default: rolledOut.` }),
    connection: Type.Optional(ClusterConnectionSchema),
  },
  { additionalProperties: false, description: 'The step is not begun before this object is as it should be.' },
);
export type ReadyWhen = Static<typeof ReadyWhenSchema>;

/** The part of a step's context that only looks. `state` is the gate's own. */
export type GateContext = Pick<StepContext, 'execution' | 'state' | 'log' | 'readsAborted' | 'now' | 'connection'>;

/** Looks after `readyWhen`. It advances as a step does, until it says that the step may begin. */
export interface ReadyGate {
  /** What the schema cannot say; paths are below `readyWhen`. */
  check(readyWhen: ReadyWhen): readonly InputMistake[];
  uses(readyWhen: ReadyWhen): readonly ConnectionUse[];
  advance(
    context: GateContext,
    readyWhen: ReadyWhen,
  ): Promise<'ready' | Exclude<Outcome<never>, { kind: 'succeeded' }>>;
}
