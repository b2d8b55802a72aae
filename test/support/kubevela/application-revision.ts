import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf, type JsonObject } from '../../../src/core/json.ts';
import type { Cluster } from './cluster.ts';
import type { Application, ApplicationSpec, KubernetesObject, Workflow } from './objects.ts';

/** How ApplicationRevisions are stored. The chart's default is zstd. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** A snapshot of an Application and of the Workflow that it names. */
export interface Snapshot {
  readonly application: Application;
  /** Of `spec.workflow.ref`. */
  readonly workflow?: Workflow;
}

export interface Revision {
  readonly name: string;
  readonly revision: number;
  readonly revisionHash: string;
}

const publishVersionKey = 'app.oam.dev/publishVersion';

export function publishVersionOf({ metadata: { annotations } }: KubernetesObject): string | undefined {
  return annotations?.[publishVersionKey];
}

interface StoredRevision extends KubernetesObject {
  readonly spec: object;
}

/**
 * The revision of what the Application is now: the newest where nothing has changed, an older one that is the same, or a new
 * one. A new one takes the number after the newest, and the place of one that has it already (after a step back).
 * Source: kubevela/kubevela: pkg/controller/core.oam.dev/v1beta1/application/revision.go
 */
export async function reviseApplication(
  cluster: Cluster,
  snapshot: Snapshot,
  compression: Compression,
): Promise<{ readonly revision: Revision; readonly isNewest: boolean }> {
  const { application } = snapshot;
  const { name, namespace = 'default' } = application.metadata;
  const revisionHash = hashOf(snapshot);
  const type = { apiVersion: 'core.oam.dev/v1beta1', kind: 'ApplicationRevision' };
  const labels = `app.oam.dev/name=${name}`;
  const stored = await cluster.list<StoredRevision>(type, { namespace, labels });
  const isSame = (candidate: StoredRevision) =>
    candidate.metadata.labels?.['app.oam.dev/app-revision-hash'] === revisionHash &&
    publishVersionOf(candidate) === publishVersionOf(application);

  const newest = application.status?.latestRevision;
  const newestStored = stored.find(({ metadata }) => metadata.name === newest?.name);
  if (newest !== undefined && newestStored !== undefined && isSame(newestStored)) {
    return { revision: { revisionHash, ...newest }, isNewest: true };
  }
  const earlier = stored.find(isSame);
  const number = earlier === undefined ? (newest?.revision ?? 0) + 1 : Number(earlier.metadata.name.split('-v').at(-1));
  const revision = { name: `${name}-v${number}`, revision: number, revisionHash };
  if (earlier === undefined) await cluster.put(revisionObject(snapshot, revision, compression));
  return { revision, isNewest: false };
}

function hashOf({ application: { spec }, workflow }: Snapshot): string {
  return digestOf(JSON.parse(JSON.stringify([spec, workflow?.steps ?? null]))).slice(0, 16);
}

function revisionObject({ application, workflow }: Snapshot, revision: Revision, compression: Compression) {
  const { status: _, ...withoutStatus } = application;
  const content = { application: { ...withoutStatus, status: {} }, ...(workflow !== undefined && { workflow }) };
  const { name, uid, annotations, labels, namespace = 'default' } = application.metadata;
  return {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'ApplicationRevision',
    metadata: {
      name: revision.name,
      namespace,
      ...(annotations !== undefined && { annotations }),
      labels: { ...labels, 'app.oam.dev/name': name, 'app.oam.dev/app-revision-hash': revision.revisionHash },
      ownerReferences: [{ apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name, uid, controller: true }],
    },
    spec: compression === 'none' ? { ...content, compression: {} } : compressed(content, compression),
  };
}

/** Source: kubevela/kubevela: apis/core.oam.dev/v1beta1/applicationrevision_types.go; kubevela/pkg: util/compression */
function compressed(content: object, type: 'gzip' | 'zstd') {
  const text = JSON.stringify(content);
  const bytes = type === 'zstd' ? zstdCompressSync(text) : gzipSync(text);
  const empty: { readonly spec: ApplicationSpec; readonly metadata: JsonObject; readonly status: object } = {
    metadata: { creationTimestamp: null },
    spec: { components: [] },
    status: {},
  };
  return { application: empty, compression: { type, data: bytes.toString('base64') } };
}
