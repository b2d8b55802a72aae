import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { Rejected } from '../../core/effect.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';
import { type DeclaredStep, declaredSteps } from './declaration.ts';
import { misusedSteps } from './misuse.ts';
import { objectsIn } from './workflow-status.ts';

/** What an ApplicationRevision says of its workflow. */
export interface Revision {
  readonly name: string;
  /** Empty: its author names none. */
  readonly publishVersion: string;
  readonly steps: readonly DeclaredStep[];
  /** Names of steps that give our parameters to a built-in. */
  readonly misused: readonly string[];
}

/** etcd takes 1.5 MiB; what grows to more than this is made to hurt whoever unpacks it. */
const mostUnpackedBytes = 16 * 1024 * 1024;

/**
 * kubevela/kubevela: apis/core.oam.dev/v1beta1/applicationrevision_types.go; `spec.workflow` is the external Workflow of an
 * Application with `workflow.ref`. Throws Rejected where it cannot be unpacked.
 */
export function toRevision(object: KubernetesObject): Revision {
  const spec = unpacked(object);
  const workflow = isJsonObject(spec.workflow)
    ? spec.workflow
    : part(part(part(spec, 'application'), 'spec'), 'workflow');
  const steps = declaredSteps(workflow.steps);
  return {
    name: object.metadata.name,
    publishVersion: text(part(object.metadata, 'annotations'), 'app.oam.dev/publishVersion'),
    steps,
    misused: misusedSteps(steps, part(spec, 'workflowStepDefinitions')),
  };
}

/**
 * Whether this is what the Application's status means by its latest revision. KubeVela may give a name a second time, after
 * a return to an older revision (kubevela/kubevela: pkg/controller/utils/utils.go, GetAppNextRevision), so the hash counts as well.
 */
export function isLatestRevision(
  revision: KubernetesObject,
  application: KubernetesObject,
  revisionHash: string,
): boolean {
  const metadata: JsonObject = revision.metadata;
  const labels = part(metadata, 'labels');
  const owners = objectsIn(metadata.ownerReferences).filter(({ kind }) => kind === 'Application');
  const isOwned =
    owners.length === 0
      ? labels['app.oam.dev/name'] === application.metadata.name
      : owners.some(({ uid }) => uid === application.metadata.uid);
  return isOwned && text(labels, 'app.oam.dev/app-revision-hash') === revisionHash;
}

/** Whether a workflow whose `status.workflow.appRevision` this is runs what the revision declares. */
export function isRunAs(
  appRevision: string,
  { name, publishVersion }: Pick<Revision, 'name' | 'publishVersion'>,
): boolean {
  if (appRevision === '') return false;
  // The suffix is a digest of what a component takes its values from.
  return appRevision === name || appRevision === publishVersion || appRevision.startsWith(`${name}-vf-`);
}

function unpacked(object: KubernetesObject): JsonObject {
  const spec = part(object, 'spec');
  const compression = part(spec, 'compression');
  const type = text(compression, 'type');
  if (type === '') return spec;
  try {
    const fields: unknown = JSON.parse(unpack(type, Buffer.from(text(compression, 'data'), 'base64')).toString('utf8'));
    if (isJsonObject(fields)) return fields;
    throw new Error('what is compressed is no object');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Rejected('Denied', `ApplicationRevision ${object.metadata.name} cannot be read: ${why}`, { cause });
  }
}

/** kubevela/pkg: util/compression */
function unpack(type: string, data: Buffer): Buffer {
  const limit = { maxOutputLength: mostUnpackedBytes };
  if (type === 'gzip') return gunzipSync(data, limit);
  if (type === 'zstd') return zstdDecompressSync(data, limit);
  throw new Error(`its compression ${JSON.stringify(type)} is unknown`);
}
