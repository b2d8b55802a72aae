import type { Seen } from '../../core/change-gate.ts';
import { digestOf } from '../../core/json.ts';
import { JsonPath } from '../../providers/kubernetes/json-path.ts';
import type { KubernetesObject } from '../../providers/kubernetes/kubernetes-object.ts';
import { isSecret, type ObjectPlace, type ResourceType } from '../../providers/kubernetes/resource-type.ts';

/**
 * What of an object counts as a change of it: the fields named, else its generation, else all that people write. An object
 * that was made anew is another one. Of Secrets nothing is told.
 */
export function seenOf({ type }: ObjectPlace, object: KubernetesObject, fields?: readonly string[]): Seen {
  const { uid = null } = object.metadata;
  const { evidence, value } = fields === undefined ? revisionOf(type, object) : valuesOf(object, fields);
  return { evidence: { uid, of: evidence }, value: isSecret(type) ? null : value };
}

function valuesOf(object: KubernetesObject, fields: readonly string[]): Seen {
  const values = Object.fromEntries(fields.map((path) => [path, new JsonPath(path).select(object)]));
  return { evidence: values, value: values };
}

function revisionOf(type: ResourceType, object: KubernetesObject): Seen {
  const { apiVersion: _, kind: __, metadata, status: ___, ...content } = object;
  const { generation } = metadata;
  if (generation !== undefined && !countsAnnotations(type)) return { evidence: generation, value: generation };
  const digest = `sha256:${digestOf(content)}`;
  return { evidence: digest, value: generation ?? digest };
}

/**
 * The generation of a Deployment rises with its annotations too (kubernetes: pkg/registry/apps/deployment/strategy.go), and
 * KubeVela writes one on everything that it applies, with each revision of the Application, whatever it was that changed
 * (kubevela: pkg/utils/apply/patch.go).
 */
function countsAnnotations({ group, kind }: ResourceType): boolean {
  return group === 'apps' && kind === 'Deployment';
}
