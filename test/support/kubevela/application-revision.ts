import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf } from '../../../src/core/json.ts';
import type { Cluster } from './cluster.ts';
import type { Definitions } from './definitions.ts';
import type { Application, KubernetesObject, Workflow } from './objects.ts';

/** How ApplicationRevisions are stored. The chart's default is zstd. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** A snapshot of an Application, and of what it names. */
export interface Snapshot {
  readonly application: Application;
  /** Of `spec.workflow.ref`. */
  readonly workflow?: Workflow;
  /** CUE by the type of a step, as it is written there. */
  readonly definitions: Definitions;
}

export interface Revision {
  readonly name: string;
  readonly revision: number;
  readonly revisionHash: string;
}

const publishVersionKey = 'app.oam.dev/publishVersion';
const appNameKey = 'app.oam.dev/name';
const revisionHashKey = 'app.oam.dev/app-revision-hash';

export function publishVersionOf({ metadata: { annotations } }: KubernetesObject): string | undefined {
  return annotations?.[publishVersionKey];
}

interface StoredRevision extends KubernetesObject {
  readonly spec: { readonly compression?: { readonly type?: string } };
}

/**
 * The revision of what the Application is now: the newest where nothing has changed (with a publishVersion: where that has not),
 * an older one that is the same, or a new one. A new one takes the number after the newest, and the place of one that has it
 * already (after a step back). It is created plain, and compressed when it is looked at again.
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
  const stored = await cluster.list<StoredRevision>(type, { namespace, labels: `${appNameKey}=${name}` });
  const version = publishVersionOf(application);
  const isSame = (candidate: StoredRevision) =>
    candidate.metadata.labels?.[revisionHashKey] === revisionHash && publishVersionOf(candidate) === version;

  const newest = application.status?.latestRevision;
  const newestStored = stored.find(({ metadata }) => metadata.name === newest?.name);
  if (newest !== undefined && newestStored !== undefined) {
    const isPublished = version !== undefined && publishVersionOf(newestStored) === version;
    if (isSame(newestStored) || isPublished) {
      const isPlain = newestStored.spec.compression?.type === undefined;
      if (isPlain && compression !== 'none') await compressRevision(cluster, { ...newestStored, ...type }, compression);
      return { revision: { revisionHash, ...newest }, isNewest: true };
    }
  }
  const earlier = stored.find(isSame);
  const number = earlier === undefined ? (newest?.revision ?? 0) + 1 : Number(earlier.metadata.name.split('-v').at(-1));
  const revision = { name: `${name}-v${number}`, revision: number, revisionHash };
  if (earlier === undefined) await cluster.put(revisionObject(snapshot, revision));
  return { revision, isNewest: false };
}

function hashOf({ application: { spec }, workflow }: Snapshot): string {
  return digestOf(JSON.parse(JSON.stringify([spec, workflow?.steps ?? null]))).slice(0, 16);
}

function revisionObject({ application, workflow, definitions }: Snapshot, revision: Revision): KubernetesObject {
  const { status: _, ...withoutStatus } = application;
  const { name, uid, annotations, labels, namespace = 'default' } = application.metadata;
  const spec = {
    application: { ...withoutStatus, status: {} },
    ...(workflow !== undefined && { workflow }),
    workflowStepDefinitions: Object.fromEntries(
      Object.entries(definitions).map(([type, template]) => [type, { spec: { schematic: { cue: { template } } } }]),
    ),
    compression: {},
  };
  const object = {
    apiVersion: 'core.oam.dev/v1beta1',
    kind: 'ApplicationRevision',
    metadata: {
      name: revision.name,
      namespace,
      ...(annotations !== undefined && { annotations }),
      labels: { ...labels, [appNameKey]: name, [revisionHashKey]: revision.revisionHash },
      ownerReferences: [
        { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application', name, uid: uid ?? '', controller: true },
      ],
    },
    spec,
  };
  return object;
}

/** Source: kubevela/kubevela: apis/core.oam.dev/v1beta1/applicationrevision_types.go; kubevela/pkg: util/compression */
async function compressRevision(cluster: Cluster, stored: StoredRevision, type: 'gzip' | 'zstd'): Promise<void> {
  const { compression: _, ...content } = stored.spec;
  const text = JSON.stringify(content);
  const bytes = type === 'zstd' ? zstdCompressSync(text) : gzipSync(text);
  const application = { metadata: { creationTimestamp: null }, spec: { components: [] }, status: {} };
  const spec = { application, compression: { type, data: bytes.toString('base64') } };
  await cluster.replace({ ...stored, spec });
}
