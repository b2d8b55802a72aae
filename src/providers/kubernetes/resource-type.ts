import { rootOf } from './cluster-gateway.ts';

/** A kind of object as one version of the API serves it. */
export interface ResourceType {
  /** Empty for core. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** As it stands in paths: `deployments`. */
  readonly plural: string;
  readonly isNamespaced: boolean;
  /** Whether its status is written apart from the rest, which is how controllers do it. */
  readonly hasStatus: boolean;
}

export interface ObjectPlace {
  readonly type: ResourceType;
  readonly name: string;
  /** Absent: the kind has none. */
  readonly namespace?: string;
  /** One that KubeVela manages. Absent: the connection's own. */
  readonly cluster?: string;
}

export function apiVersionOf({ group, version }: Pick<ResourceType, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Another API may have a kind called Secret. */
export function isSecret({ group, kind }: ResourceType): boolean {
  return group === '' && kind === 'Secret';
}

/** `deployments.apps`, as `kubectl` and roles name it. */
export function resourceName({ group, plural }: ResourceType): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** `/apis/apps/v1/namespaces/shop/deployments`, for a managed cluster through its gateway. */
export function collectionPath({ type, namespace, cluster }: Omit<ObjectPlace, 'name'>): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${apiVersionOf(type)}`;
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${rootOf(cluster)}${root}${scope}/${type.plural}`;
}

export function objectPath(place: ObjectPlace): string {
  return `${collectionPath(place)}/${encodeURIComponent(place.name)}`;
}

/** `Deployment shop/web`, `Deployment shop/web in cluster edge` */
export function objectWords({ type, name, namespace, cluster }: ObjectPlace): string {
  const where = cluster === undefined ? '' : ` in cluster ${cluster}`;
  return `${type.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}${where}`;
}
