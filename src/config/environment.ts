/** Variables by name, as `process.env` holds them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable's text; one that is set to nothing counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  return env[name] || undefined;
}

/** Where Kubernetes mounts a pod's own token, its CA and its namespace. */
export const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
