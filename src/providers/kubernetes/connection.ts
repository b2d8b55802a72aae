import { Type } from '@sinclair/typebox';
import { defineConnectionType } from '../../core/connection.ts';
import { DurationSchema } from '../../core/request.ts';
import { requireDurationMs } from '../../core/time.ts';
import { ClusterAccess } from './cluster-access.ts';
import { ClusterApi } from './cluster-api.ts';
import { KubernetesClient } from './kubernetes-client.ts';

const type = 'kubernetes';

/** A cluster: the one around us, or one of a kubeconfig. */
export const kubernetes = defineConnectionType({
  type,
  family: 'kubernetes',
  options: Type.Object({
    kubeconfigFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Default: what KUBECONFIG names, ~/.kube/config, or the pod's service account.",
      }),
    ),
    context: Type.Optional(Type.String({ minLength: 1, description: 'Of the kubeconfig. Default: its current one.' })),
    impersonate: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Whether reads for an Application that names a service account are made as it.',
      }),
    ),
    requestTimeout: Type.Unsafe<string>({
      ...DurationSchema,
      default: '10s',
      description: 'How long to wait for the answer to a read.',
    }),
    watchSilence: Type.Unsafe<string>({
      ...DurationSchema,
      default: '90s',
      description: 'After how much silence a watch is begun anew. The cluster says something each minute.',
    }),
  }),
  // What the account may do by its roles is not yet what everybody who asks may see.
  allow: ['readNamespaces', 'clusterKinds', 'secrets', 'clusters'],
  allowByDefault: { readNamespaces: [], clusterKinds: [], secrets: [], clusters: [] },

  open(
    { kubeconfigFile, context, impersonate, requestTimeout, watchSilence },
    { connectionName, credential, clock, log },
  ) {
    const access = new ClusterAccess({
      ...(kubeconfigFile === undefined ? {} : { kubeconfig: credential(kubeconfigFile) }),
      ...(context === undefined ? {} : { context }),
      clock,
    });
    return new KubernetesClient({
      access,
      api: new ClusterApi({ access, requestTimeoutMs: requireDurationMs(requestTimeout), clock }),
      signalPrefix: `${type}:${connectionName}`,
      silenceLimitMs: requireDurationMs(watchSilence),
      impersonates: impersonate === true,
      clock,
      log,
    });
  },

  subscribe: (client, key, raise) => client.subscribe(`/${key}`, raise),
  close: (client) => client.close(),
});
