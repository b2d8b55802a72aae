import { withDefaults } from '../../../src/core/schema.ts';
import type { Clock } from '../../../src/core/time.ts';
import { kubernetes } from '../../../src/providers/kubernetes/connection.ts';
import type { KubernetesClient } from '../../../src/providers/kubernetes/kubernetes-client.ts';
import { providerTools } from '../provider-tools.ts';

const kubeconfigFile = '/kubeconfig';

/** A client as a connection named `test` gives it. `kubeconfig`: its content, asked anew for each request. */
export function openClient(
  kubeconfig: string | (() => string),
  options: Readonly<Record<string, string>> = {},
  clock?: Clock,
): KubernetesClient {
  const settings = withDefaults(kubernetes.options, { kubeconfigFile, ...options });
  const fetch = () => Promise.reject(new Error('clusters are not asked through this'));
  const read = async () => (typeof kubeconfig === 'string' ? kubeconfig : kubeconfig());
  const tools = {
    ...providerTools({ fetch, ...(clock === undefined ? {} : { clock }) }),
    credential: (path: string) => ({ path, read }),
  };
  return kubernetes.open(settings as Parameters<typeof kubernetes.open>[0], tools);
}

export const neverAborted = new AbortController().signal;
