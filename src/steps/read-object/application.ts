import { Rejected } from '../../core/effect.ts';
import type { GateContext } from '../../core/ready-gate.ts';
import type { KubernetesClient } from '../../providers/kubernetes/kubernetes-client.ts';
import { type KubernetesObject, part, text } from '../../providers/kubernetes/kubernetes-object.ts';

const applicationKind = { apiVersion: 'core.oam.dev/v1beta1', kind: 'Application' };

/** As whom KubeVela applies and reads (kubevela: pkg/auth/userinfo.go). */
const accountAnnotation = 'app.oam.dev/service-account-name';
const accountName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** The Application that asks, read by the connection's own account. Undefined: none does, or the cluster has none such. */
export async function readApplication(
  { execution, readsAborted }: GateContext,
  client: KubernetesClient,
): Promise<KubernetesObject | undefined> {
  const { origin } = execution.request;
  if (origin?.kind !== 'Application') return undefined;
  const found = await client.find(applicationKind, 0);
  if (!('type' in found)) return undefined;
  return await client.read({ type: found.type, name: origin.name, namespace: origin.namespace }, readsAborted);
}

/**
 * The user as whom objects are read for this Application; undefined: as the connection's own account. Rejected as Denied
 * where the Application names one, and the connection cannot act as it.
 */
export function accountOf(
  { execution }: GateContext,
  application: KubernetesObject | undefined,
  client: KubernetesClient,
): string | undefined {
  const { origin } = execution.request;
  if (origin === undefined || application === undefined) return undefined;
  const name = text(part(part(application, 'metadata'), 'annotations'), accountAnnotation);
  if (name === '') return undefined;
  const who = `Application ${origin.namespace}/${origin.name} is to act as its service account ${name} (annotation ${accountAnnotation})`;
  if (!accountName.test(name)) throw new Rejected('Denied', `${who}, which is no name that one can have`);
  if (client.impersonates) return `system:serviceaccount:${origin.namespace}:${name}`;
  throw new Rejected('Denied', `${who}, and the connection has impersonate: false; its owner can set it to true`);
}
