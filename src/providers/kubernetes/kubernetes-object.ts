import { type Static, Type } from '@sinclair/typebox';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { fits } from '../../core/schema.ts';

const ObjectSchema = Type.Object({
  metadata: Type.Object({
    name: Type.String(),
    // Objects that an aggregated server computes, such as metrics, have neither.
    uid: Type.Optional(Type.String()),
    resourceVersion: Type.Optional(Type.String()),
    generation: Type.Optional(Type.Integer()),
    deletionTimestamp: Type.Optional(Type.String()),
  }),
});

export type KubernetesObject = JsonObject & Static<typeof ObjectSchema>;

/** Without `managedFields`, which are half of many objects and which nobody waits for. Undefined where it is no object. */
export function toKubernetesObject(value: unknown): KubernetesObject | undefined {
  if (!fits(ObjectSchema, value)) return undefined;
  const { managedFields: _, ...metadata } = value.metadata as Static<typeof ObjectSchema>['metadata'] & {
    managedFields?: unknown;
  };
  return { ...(value as JsonObject), metadata };
}

/** A part that is an object; an empty one where there is none. */
export function part(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isJsonObject(value) ? value : {};
}

/** A count in spec or status. Controllers leave zeros out. */
export function count(object: JsonObject, name: string, absent = 0): number {
  const value = object[name];
  return typeof value === 'number' ? value : absent;
}

export function text(object: JsonObject, name: string): string {
  const value = object[name];
  return typeof value === 'string' ? value : '';
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number | undefined;
}

export function conditionsOf(object: KubernetesObject): Condition[] {
  const { conditions } = part(object, 'status');
  return Array.isArray(conditions) ? conditions.filter(isJsonObject).map(toCondition) : [];
}

/** By its type, whose case does not count, as in `kubectl wait`. */
export function conditionOf(object: KubernetesObject, type: string): Condition | undefined {
  const wanted = type.toLowerCase();
  return conditionsOf(object).find((condition) => condition.type.toLowerCase() === wanted);
}

/** Whether the condition was made for an older spec than the one that stands. */
export function isOutdated({ observedGeneration }: Condition, { metadata }: KubernetesObject): boolean {
  return observedGeneration !== undefined && observedGeneration < (metadata.generation ?? 0);
}

/** `MinimumReplicasUnavailable: Deployment does not have minimum availability.`, as far as it is there. */
export function wordsOf({ reason, message }: Condition): string {
  return [reason, message].filter((words) => words !== '').join(': ');
}

function toCondition(condition: JsonObject): Condition {
  const observed: Json | undefined = condition.observedGeneration;
  return {
    type: text(condition, 'type'),
    status: text(condition, 'status'),
    reason: text(condition, 'reason'),
    message: text(condition, 'message'),
    observedGeneration: typeof observed === 'number' ? observed : undefined,
  };
}
