import { type Static, Type } from '@sinclair/typebox';
import { fits } from '../../core/schema.ts';
import type { ResourceType } from './resource-type.ts';

/** The types of each group in one version, the preferred version first. */
export interface ServedVersion {
  readonly group: string;
  readonly version: string;
  readonly types: readonly ResourceType[];
}

/** All groups in one answer; served since Kubernetes 1.26. https://kubernetes.io/docs/concepts/overview/kubernetes-api/ */
export const aggregatedAccept = ['v2', 'v2beta1']
  .map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .concat('application/json')
  .join(',');

const AggregatedSchema = Type.Object({
  kind: Type.Literal('APIGroupDiscoveryList'),
  items: Type.Array(
    Type.Object({
      metadata: Type.Optional(Type.Object({ name: Type.Optional(Type.String()) })),
      versions: Type.Array(
        Type.Object({
          version: Type.String(),
          resources: Type.Optional(
            Type.Array(
              Type.Object({
                resource: Type.String(),
                responseKind: Type.Optional(Type.Object({ kind: Type.Optional(Type.String()) })),
                scope: Type.String(),
                verbs: Type.Array(Type.String()),
                subresources: Type.Optional(Type.Array(Type.Object({ subresource: Type.String() }))),
              }),
            ),
          ),
        }),
      ),
    }),
  ),
});

const VersionsSchema = Type.Object({ versions: Type.Array(Type.String()) });
const GroupsSchema = Type.Object({
  groups: Type.Array(
    Type.Object({
      name: Type.String(),
      versions: Type.Array(Type.Object({ version: Type.String() })),
      preferredVersion: Type.Optional(Type.Object({ version: Type.String() })),
    }),
  ),
});
const ResourcesSchema = Type.Object({
  resources: Type.Array(
    Type.Object({
      name: Type.String(),
      kind: Type.String(),
      namespaced: Type.Boolean(),
      verbs: Type.Array(Type.String()),
    }),
  ),
});

/** Undefined where the server knows only the older form. */
export function fromAggregated(body: unknown): ServedVersion[] | undefined {
  if (!fits(AggregatedSchema, body)) return undefined;
  return body.items.flatMap(({ metadata, versions }) =>
    versions.map(({ version, resources = [] }) => {
      const group = metadata?.name ?? '';
      const types = resources
        .filter(({ verbs }) => verbs.includes('get'))
        .map(({ resource, responseKind, scope, subresources = [] }) => ({
          group,
          version,
          kind: responseKind?.kind ?? '',
          plural: resource,
          isNamespaced: scope === 'Namespaced',
          hasStatus: subresources.some(({ subresource }) => subresource === 'status'),
        }));
      return { group, version, types };
    }),
  );
}

/** The versions that /api or /apis lists, each with the path of its resources. */
export function versionsIn(body: unknown): { readonly group: string; readonly version: string }[] {
  if (fits(VersionsSchema, body)) return body.versions.map((version) => ({ group: '', version }));
  if (!fits(GroupsSchema, body)) return [];
  return body.groups.flatMap(({ name, versions, preferredVersion }) => {
    const first = preferredVersion?.version;
    const ordered = versions.map(({ version }) => version).sort((a, b) => Number(b === first) - Number(a === first));
    return ordered.map((version) => ({ group: name, version }));
  });
}

/** What one version serves, in the older form. */
export function typesIn(
  body: unknown,
  { group, version }: { readonly group: string; readonly version: string },
): ResourceType[] {
  if (!fits(ResourcesSchema, body)) return [];
  const names = new Set(body.resources.map(({ name }) => name));
  return body.resources.filter(isReadable).map(({ name, kind, namespaced }) => {
    return { group, version, kind, plural: name, isNamespaced: namespaced, hasStatus: names.has(`${name}/status`) };
  });
}

function isReadable({ name, verbs }: Static<typeof ResourcesSchema>['resources'][number]): boolean {
  return !name.includes('/') && verbs.includes('get');
}
