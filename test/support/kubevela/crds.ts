import type { Cluster } from './cluster.ts';

/**
 * KubeVela's custom resources, reduced to what its workflow engine and we use of them; the rest is let through as it is.
 * Written from charts/vela-core/crds in kubevela/kubevela and from kubevela/workflow's API types.
 */

/** WorkflowRuns and Workflows come with an addon of KubeVela's own: a cluster may lack them. */
export type KubeVelaResources = 'all' | 'without-workflow-runs';

export async function installKubeVela(cluster: Cluster, resources: KubeVelaResources = 'all'): Promise<void> {
  const wanted = resources === 'all' ? [...applicationResources, ...workflowResources] : applicationResources;
  await Promise.all(wanted.map((resource) => installResource(cluster, resource)));
}

/** Later, as `vela addon enable vela-workflow` would. */
export async function installWorkflowRuns(cluster: Cluster): Promise<void> {
  await Promise.all(workflowResources.map((resource) => installResource(cluster, resource)));
}

interface Resource {
  readonly kind: string;
  readonly plural: string;
  readonly version: string;
  readonly hasStatus: boolean;
  readonly schema: object;
}

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const text = { type: 'string' };
const yesOrNo = { type: 'boolean' };
const time = { type: 'string', format: 'date-time' };

const object = (properties: object, required: readonly string[] = []) => ({
  ...anything,
  properties,
  ...(required.length > 0 && { required }),
});
const listOf = (items: object) => ({ type: 'array', items });

const stepBase = {
  name: text,
  type: text,
  if: text,
  timeout: text,
  dependsOn: listOf(text),
  inputs: listOf(object({ from: text, parameterKey: text }, ['from'])),
  outputs: listOf(object({ name: text, valueFrom: text }, ['name', 'valueFrom'])),
  properties: anything,
};
const steps = listOf(object({ ...stepBase, mode: text, subSteps: listOf(object(stepBase, ['type'])) }, ['type']));

const stepStatus = {
  id: text,
  name: text,
  type: text,
  phase: text,
  message: text,
  reason: text,
  firstExecuteTime: time,
  lastExecuteTime: time,
};
/** An Application's and a WorkflowRun's have these in common. */
const workflowStatus = {
  status: text,
  message: text,
  suspend: yesOrNo,
  terminated: yesOrNo,
  finished: yesOrNo,
  startTime: time,
  endTime: { ...time, nullable: true },
  steps: listOf(object({ ...stepStatus, subSteps: listOf(object(stepStatus, ['id'])) }, ['id'])),
};
const conditions = listOf(
  object({ type: text, status: text, reason: text, message: text, lastTransitionTime: time }, [
    'lastTransitionTime',
    'reason',
    'status',
    'type',
  ]),
);

const components = listOf(object({ name: text, type: text, properties: anything }, ['name', 'type']));
const applicationSpec = object({ components, workflow: object({ ref: text, steps }) }, ['components']);

const applicationResources: readonly Resource[] = [
  {
    kind: 'Application',
    plural: 'applications',
    version: 'v1beta1',
    hasStatus: true,
    schema: object({
      spec: applicationSpec,
      status: object({
        conditions,
        observedGeneration: { type: 'integer' },
        status: text,
        latestRevision: object({ name: text, revision: { type: 'integer' }, revisionHash: text }, ['name', 'revision']),
        appliedResources: listOf(anything),
        workflow: object({ ...workflowStatus, appRevision: text, mode: text }, [
          'finished',
          'mode',
          'suspend',
          'terminated',
        ]),
      }),
    }),
  },
  {
    kind: 'ApplicationRevision',
    plural: 'applicationrevisions',
    version: 'v1beta1',
    hasStatus: true,
    schema: object({
      spec: object(
        {
          application: object({ spec: applicationSpec }),
          workflow: object({ steps }),
          compression: object({ type: text, data: text }),
        },
        ['application'],
      ),
    }),
  },
];

const workflowResources: readonly Resource[] = [
  { kind: 'Workflow', plural: 'workflows', version: 'v1alpha1', hasStatus: false, schema: object({ steps }) },
  {
    kind: 'WorkflowRun',
    plural: 'workflowruns',
    version: 'v1alpha1',
    hasStatus: true,
    schema: object({
      spec: object({ workflowSpec: object({ steps }, ['steps']), workflowRef: text, context: anything }),
      status: object({ ...workflowStatus, conditions, mode: object({ steps: text, subSteps: text }) }, [
        'finished',
        'mode',
        'suspend',
        'terminated',
      ]),
    }),
  },
];

async function installResource(cluster: Cluster, { kind, plural, version, hasStatus, schema }: Resource) {
  const name = `${plural}.core.oam.dev`;
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: {
      group: 'core.oam.dev',
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          ...(hasStatus && { subresources: { status: {} } }),
        },
      ],
    },
  };
  await cluster.apply(definition);
  await cluster.untilServed({ apiVersion: `core.oam.dev/${version}`, kind });
}
