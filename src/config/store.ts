import { resolve } from 'node:path';
import type { Static } from '@sinclair/typebox';
import { parseDurationMs } from '../core/time.ts';
import { type ConnectionList, clusterConnection } from './cluster-connection.ts';
import type { MistakeList } from './mistake-list.ts';
import type { StoreSchema } from './settings-schema.ts';

/** In a file, which may be `:memory:`, for one process. */
export interface SqliteSettings {
  readonly type: 'sqlite';
  readonly path: string;
}

/** In a cluster, for any number of processes. */
export interface KubernetesStoreSettings {
  readonly type: 'kubernetes';
  /** Absent: the cluster of the default kubeconfig, which is a pod's own. */
  readonly connection?: string;
  /** Absent: the executor's own. */
  readonly leaseNamespace?: string;
  readonly leaseMs: number;
  readonly writesPerSecond: number;
}

export type StoreSettings = SqliteSettings | KubernetesStoreSettings;

type StoreSection = Static<typeof StoreSchema>;

const pointer = '/store';
const inMemory = ':memory:';
const defaultPath = './data/aftersync.db';
const defaultLease = '15s';
const shortestLeaseMs = 1_000;
const longestLeaseMs = 5 * 60_000;
const defaultWritesPerSecond = 1_000;

const sqliteKeys = ['path'] as const;
const kubernetesKeys = ['connection', 'leaseNamespace', 'leaseDuration', 'writesPerSecond'] as const;

/** Reads a section that fits its schema. Undefined where a mistake was added. */
export function readStore(
  section: StoreSection,
  folders: { readonly folder: string; readonly cwd: string },
  list: ConnectionList,
): StoreSettings | undefined {
  const { mistakes } = list;
  const before = mistakes.count;
  const store = section.type === 'kubernetes' ? inCluster(section, list) : inFile(section, folders, mistakes);
  return mistakes.count === before ? store : undefined;
}

/** A path in the file starts from the file, the default one from where the process was started. */
function inFile(
  section: StoreSection,
  { folder, cwd }: { readonly folder: string; readonly cwd: string },
  mistakes: MistakeList,
): SqliteSettings {
  refuseKeys(section, kubernetesKeys, 'kubernetes', mistakes);
  const { path } = section;
  if (path === inMemory) return { type: 'sqlite', path };
  return { type: 'sqlite', path: path === undefined ? resolve(cwd, defaultPath) : resolve(folder, path) };
}

function inCluster(section: StoreSection, list: ConnectionList): KubernetesStoreSettings {
  refuseKeys(section, sqliteKeys, 'sqlite', list.mistakes);
  const { leaseNamespace, leaseDuration = defaultLease, writesPerSecond = defaultWritesPerSecond } = section;
  const connection = clusterConnection({ named: section.connection, pointer, isRequired: false }, list);
  const leaseMs = parseDurationMs(leaseDuration) ?? 0;
  if (leaseMs < shortestLeaseMs || leaseMs > longestLeaseMs) {
    list.mistakes.add(
      `${pointer}/leaseDuration`,
      `expected a duration from 1s to 5m, such as ${defaultLease}, found ${JSON.stringify(leaseDuration)}`,
    );
  }
  return {
    type: 'kubernetes',
    ...(connection === undefined ? {} : { connection }),
    ...(leaseNamespace === undefined ? {} : { leaseNamespace }),
    leaseMs,
    writesPerSecond,
  };
}

function refuseKeys(
  section: StoreSection,
  keys: readonly (keyof StoreSection)[],
  type: StoreSettings['type'],
  mistakes: MistakeList,
): void {
  for (const key of keys) {
    if (section[key] !== undefined) mistakes.add(`${pointer}/${key}`, `is only for a store of type ${type}`);
  }
}
