export interface KubeconfigOptions {
  /** Of the API server. */
  readonly url: string;
  /** PEM. Absent for plain HTTP. */
  readonly ca?: string;
  /** As under `users[].user`. Absent: no credential. */
  readonly user?: object;
}

/** The content of a kubeconfig with one cluster, user and context, as JSON, which is YAML. */
export function kubeconfigText({ url, ca, user = {} }: KubeconfigOptions): string {
  const name = 'test';
  // client-node refuses plain HTTP where verification is not given up.
  const trust =
    ca === undefined
      ? { 'insecure-skip-tls-verify': true }
      : { 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, ...trust } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
