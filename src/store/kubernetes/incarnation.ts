/** What `status.holder` says: the Lease of an incarnation, as `<namespace>/<name>`. */
export function incarnationOf(lease: { readonly namespace: string; readonly name: string }): string {
  return `${lease.namespace}/${lease.name}`;
}

export function leasesPath(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
}

/** Undefined for a text that is no incarnation's: nobody of ours has written it. */
export function leasePathOf(incarnation: string): string | undefined {
  const [namespace, name, ...more] = incarnation.split('/');
  if (!namespace || !name || more.length > 0) return undefined;
  return `${leasesPath(namespace)}/${encodeURIComponent(name)}`;
}
