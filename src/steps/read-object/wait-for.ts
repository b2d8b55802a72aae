import type { WaitFor } from '../../core/awaited-object.ts';
import { JsonPath, printed } from '../../providers/kubernetes/json-path.ts';
import {
  conditionOf,
  isOutdated,
  type KubernetesObject,
  wordsOf,
} from '../../providers/kubernetes/kubernetes-object.ts';
import type { ResourceType } from '../../providers/kubernetes/resource-type.ts';
import { rollOutOf } from '../../providers/kubernetes/roll-out.ts';

export type Verdict =
  | { readonly kind: 'met' }
  /** `detail` changes as things go on; it is no message for a phase. */
  | { readonly kind: 'notYet'; readonly detail: string }
  | { readonly kind: 'never'; readonly detail: string };

/** Judges an object that is there. */
export function judge(waitFor: WaitFor, object: KubernetesObject, { group, kind, hasStatus }: ResourceType): Verdict {
  if (waitFor === 'exists') return { kind: 'met' };
  if (waitFor === 'rolledOut') {
    const rollOut = rollOutOf({ object, group, kind, hasStatus });
    if (rollOut.state === 'done') return { kind: 'met' };
    return { kind: rollOut.state === 'failed' ? 'never' : 'notYet', detail: rollOut.detail };
  }
  return 'condition' in waitFor ? judgeCondition(waitFor.condition, object) : judgeValue(waitFor, object);
}

/** Completes "waiting for Deployment shop/web to …". The same for as long as that is waited for. */
export function goalOf(waitFor: WaitFor): string {
  if (waitFor === 'exists') return 'exist';
  return waitFor === 'rolledOut' ? 'be rolled out' : `have ${wantedIn(waitFor)}`;
}

/** Completes "Deployment shop/web …" once it is so. */
export function resultOf(waitFor: WaitFor): string {
  if (waitFor === 'exists') return 'exists';
  return waitFor === 'rolledOut' ? 'is rolled out' : `has ${wantedIn(waitFor)}`;
}

function wantedIn(waitFor: Exclude<WaitFor, string>): string {
  if ('jsonPath' in waitFor) return `${JSON.stringify(waitFor.equals)} at ${waitFor.jsonPath}`;
  return `condition ${waitFor.condition.type}=${waitFor.condition.status ?? 'True'}`;
}

/** As `kubectl wait --for=condition`: case does not count, and a condition that is older than the spec says nothing. */
function judgeCondition(
  { type, status = 'True' }: { type: string; status?: string },
  object: KubernetesObject,
): Verdict {
  const condition = conditionOf(object, type);
  if (condition === undefined) return { kind: 'notYet', detail: `it has no condition ${type}` };
  if (isOutdated(condition, object)) {
    return { kind: 'notYet', detail: `its condition ${type} is of an older spec` };
  }
  if (condition.status.toLowerCase() === status.toLowerCase()) return { kind: 'met' };
  const words = wordsOf(condition);
  return { kind: 'notYet', detail: `its condition ${type} is ${condition.status}${words === '' ? '' : ` (${words})`}` };
}

/** Where the path leads to several values, all must be as wanted. */
function judgeValue(
  { jsonPath, equals }: { jsonPath: string; equals: string | number | boolean },
  object: KubernetesObject,
): Verdict {
  const found = new JsonPath(jsonPath).find(object);
  if (found.length === 0) return { kind: 'notYet', detail: `it has nothing at ${jsonPath}` };
  // A text is compared with what kubectl prints, so that '3' may stand for 3.
  const other = found.find((value) => (typeof equals === 'string' ? printed(value) : value) !== equals);
  if (other === undefined) return { kind: 'met' };
  return { kind: 'notYet', detail: `it has ${JSON.stringify(other).slice(0, 100)} at ${jsonPath}` };
}
