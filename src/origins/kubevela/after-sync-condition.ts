import { isJsonObject, type JsonObject } from '../../core/json.ts';
import { type EpochMs, toIsoTime } from '../../core/time.ts';
import { type KubernetesObject, part } from '../../providers/kubernetes/kubernetes-object.ts';

const type = 'AfterSync';

/**
 * The JSON Patch on the status subresource that makes our condition say this, for an object as it was read. It fails with
 * 422 where the conditions are others by now, so that it never takes one of the engine's away, nor adds ours twice.
 */
export function conditionPatch(object: KubernetesObject, message: string, now: EpochMs): JsonObject[] {
  // Of this form in both kinds (kubevela/workflow: api/condition/condition.go), with times in whole seconds.
  const lastTransitionTime = toIsoTime(now).replace(/\.\d+/, '');
  const value = { type, status: 'True', reason: 'StepEnded', message, lastTransitionTime };
  const { conditions } = part(object, 'status');
  const list = Array.isArray(conditions) ? conditions : undefined;
  const index = list?.findIndex((condition) => isJsonObject(condition) && condition.type === type) ?? -1;
  if (index >= 0) {
    const path = `/status/conditions/${index}`;
    return [
      { op: 'test', path: `${path}/type`, value: type },
      { op: 'replace', path, value },
    ];
  }
  // Not by resourceVersion: of an object that others write all the time, no version stands until a patch arrives.
  return [
    { op: 'test', path: '/status/conditions', value: list ?? null },
    list === undefined
      ? { op: 'add', path: '/status/conditions', value: [value] }
      : { op: 'add', path: '/status/conditions/-', value },
  ];
}
