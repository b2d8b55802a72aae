import type { JsonObject } from '../../../src/core/json.ts';
import type { Application, Component, KubernetesObject } from './objects.ts';

/** The objects that a component consists of, with the labels that KubeVela gives them. Throws for types that are not known here. */
export function renderComponent({ metadata: application }: Application, revision: string, component: Component) {
  const { name: application_, namespace = 'default' } = application;
  const labels = {
    'app.oam.dev/name': application_,
    'app.oam.dev/namespace': namespace,
    'app.oam.dev/component': component.name,
    'app.oam.dev/appRevision': revision,
    'app.oam.dev/cluster': '',
    'app.oam.dev/resourceType': 'WORKLOAD',
  };
  return objectsOf(component).map((object): KubernetesObject => {
    const { metadata } = object;
    return {
      ...object,
      metadata: { namespace, ...metadata, labels: { ...metadata.labels, ...labels } },
    };
  });
}

function objectsOf({ name, type, properties = {} }: Component): readonly KubernetesObject[] {
  if (type === 'k8s-objects') return properties.objects as unknown as readonly KubernetesObject[];
  if (type === 'webservice') return [deployment(name, properties)];
  throw new Error(`no component type ${type} here; there are webservice and k8s-objects`);
}

/** Source: kubevela/kubevela: vela-templates/definitions/internal/component/webservice.cue */
function deployment(name: string, { image, env }: JsonObject): KubernetesObject & { readonly spec: object } {
  const labels = { 'app.oam.dev/component': name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name, image, ...(env !== undefined && { env }) }] },
      },
    },
  };
}
