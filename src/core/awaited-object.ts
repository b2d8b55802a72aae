import { type Static, Type } from '@sinclair/typebox';

/** KubeVela's name for the cluster that it runs in. */
const ownCluster = 'local';

/** The cluster of an object where KubeVela manages it from another; undefined: the connection's own. */
export function managedCluster({ cluster = '' }: Pick<ObjectName, 'cluster'>): string | undefined {
  return cluster === '' || cluster === ownCluster ? undefined : cluster;
}

/** How people name an object of a cluster, wherever they do. An empty text is as good as none, as it is for KubeVela. */
export const objectProperties = {
  apiVersion: Type.Optional(
    Type.String({
      pattern: '^(([a-z0-9.-]+/)?[a-z][-a-z0-9]*)?$',
      maxLength: 253,
      description: 'Default: the version that the cluster prefers, where only one API has the kind.',
      examples: ['apps/v1'],
      errorMessage: 'an API version such as v1 or apps/v1',
    }),
  ),
  kind: Type.String({
    pattern: '^[A-Za-z][A-Za-z0-9]*$',
    maxLength: 63,
    examples: ['Deployment'],
    errorMessage: 'a kind such as Deployment',
  }),
  name: Type.String({
    // What Kubernetes takes in a path; RBAC names hold colons.
    pattern: '^[^/%\\s]+$',
    maxLength: 253,
    examples: ['web'],
    errorMessage: 'the name of an object',
  }),
  namespace: Type.Optional(
    Type.String({
      pattern: '^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$',
      description: 'Default: where the workflow is. Others only as far as the connection allows readNamespaces.',
      errorMessage: 'the name of a namespace',
    }),
  ),
  cluster: Type.Optional(
    Type.String({
      pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$',
      description: `As KubeVela names it. Default: the connection's own, which is ${ownCluster} too. Others only as far as the connection allows clusters.`,
      examples: ['edge'],
      errorMessage: 'the name of a cluster',
    }),
  ),
};

export const ObjectNameSchema = Type.Object(objectProperties, { additionalProperties: false });
export type ObjectName = Static<typeof ObjectNameSchema>;

/** Which connection to a cluster is meant. */
export const ClusterConnectionSchema = Type.String({
  minLength: 1,
  maxLength: 253,
  description: 'A cluster. Default: the only one, or the default one.',
});

/** When an object counts as what it should be; the same for `waitFor` and for `readyWhen`. */
export const WaitForSchema = Type.Union(
  [
    Type.Literal('exists'),
    Type.Literal('rolledOut'),
    Type.Object(
      {
        condition: Type.Object(
          {
            type: Type.String({ minLength: 1, maxLength: 316, examples: ['Ready'] }),
            status: Type.Optional(Type.String({ minLength: 1, maxLength: 63, description: 'Default: True.' })),
          },
          { additionalProperties: false },
        ),
      },
      { additionalProperties: false },
    ),
    Type.Object(
      {
        jsonPath: Type.String({ minLength: 1, maxLength: 1_024, examples: ['.status.phase'] }),
        equals: Type.Union([Type.String({ maxLength: 4_096 }), Type.Number(), Type.Boolean()]),
      },
      { additionalProperties: false },
    ),
  ],
  {
    description: 'When the object is as it should be: exists, rolledOut, a condition, or a value at a JSONPath.',
    errorMessage: 'exists, rolledOut, { condition: { type, status? } } or { jsonPath, equals }',
  },
);
export type WaitFor = Static<typeof WaitForSchema>;
