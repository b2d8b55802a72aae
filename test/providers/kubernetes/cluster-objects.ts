import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { JsonObject } from '../../../src/core/json.ts';
import { isJsonObject } from '../../../src/core/json.ts';
import { eventually } from '../../support/eventually.ts';
import type { Kubernetes, KubernetesRequest } from '../../support/kubernetes/start-kubernetes.ts';

export const deployments = '/apis/apps/v1/namespaces/default/deployments';

/** Sends it as the administrator; the body of the answer, which must be a success. */
export async function apply(cluster: Kubernetes, request: KubernetesRequest): Promise<JsonObject> {
  const { status, body } = await cluster.request(request);
  assert.ok(status < 300, `${request.method} ${request.path}: ${status} ${JSON.stringify(body)}`);
  assert.ok(isJsonObject(body));
  return body;
}

/** `changes` go into its container. */
export async function createDeployment(
  cluster: Kubernetes,
  name: string,
  changes: JsonObject = {},
): Promise<JsonObject> {
  const labels = { app: name };
  const container = { name: 'main', image: 'example.invalid/app:1', ...changes };
  const body = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
  return await apply(cluster, { method: 'POST', path: deployments, body });
}

/** As the Deployment controller does it when the rollout of this generation is over. */
export async function completeRollOut(cluster: Kubernetes, name: string, observedGeneration: number): Promise<void> {
  const status = {
    observedGeneration,
    replicas: 2,
    updatedReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 2,
    conditions: [{ type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'ok' }],
  };
  await writeStatus(cluster, `${deployments}/${name}`, status);
}

export async function writeStatus(cluster: Kubernetes, path: string, status: JsonObject): Promise<void> {
  await apply(cluster, {
    method: 'PATCH',
    path: `${path}/status`,
    body: { status },
    contentType: 'application/merge-patch+json',
  });
}

/** The administrator's kubeconfig with another way to the server, or for another token. */
export async function kubeconfigOf(
  cluster: Kubernetes,
  { port, token }: { readonly port?: number; readonly token?: string } = {},
): Promise<string> {
  const kubeconfig = JSON.parse(await readFile(cluster.adminKubeconfigPath, 'utf8'));
  if (port !== undefined) kubeconfig.clusters[0].cluster.server = `https://127.0.0.1:${port}`;
  if (token !== undefined) kubeconfig.users[0].user = { token };
  return JSON.stringify(kubeconfig);
}

/** The token of a new service account that may do what the rules say in its namespace, from now on. */
export async function accountToken(
  cluster: Kubernetes,
  name: string,
  rules: readonly JsonObject[],
  namespace = 'default',
): Promise<string> {
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const roles = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  await apply(cluster, { method: 'POST', path: accounts, body: { metadata: { name } } });
  await apply(cluster, { method: 'POST', path: `${roles}/roles`, body: { metadata: { name }, rules } });
  await apply(cluster, {
    method: 'POST',
    path: `${roles}/rolebindings`,
    body: {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
  });
  const { status } = await apply(cluster, { method: 'POST', path: `${accounts}/${name}/token`, body: { spec: {} } });
  assert.ok(isJsonObject(status) && typeof status.token === 'string');
  const [rule] = rules as unknown as readonly Rule[];
  if (rule !== undefined) await untilAllowed(cluster, { name, namespace }, rule);
  return status.token;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** The authorizer hears of a role, and of whose it is, a moment after they were written. */
async function untilAllowed(
  cluster: Kubernetes,
  account: { readonly name: string; readonly namespace: string },
  { apiGroups: [group], resources: [resource], resourceNames: [name] = [], verbs: [verb] }: Rule,
): Promise<void> {
  const { namespace } = account;
  const user = `system:serviceaccount:${namespace}:${account.name}`;
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, resourceAttributes: { namespace, verb, group, resource, name } },
  };
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
  await eventually(
    async () => (await apply(cluster, { method: 'POST', path, body })).status as { readonly allowed: boolean },
    ({ allowed }) => allowed,
  );
}
