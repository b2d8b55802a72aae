import type { ApiCall } from '../support/kubernetes/cluster-gateway.ts';
import type { Role } from './enabled-addon.ts';

/** What RBAC looks at. */
export interface Permission {
  readonly verb: string;
  readonly group: string;
  /** With its subresource: `applications/status`. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

const resourcePath =
  /^\/(?:api|apis\/(?<group>[^/]+))\/[^/]+(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<resource>[^/]+)(?:\/(?<name>[^/]+)(?:\/(?<subresource>[^/]+))?)?/;

/** Of the caller itself. Undefined: discovery, which everybody may. */
export function permissionOf({ method, url, account }: ApiCall): Permission | undefined {
  if (account !== undefined) return impersonationOf(account);
  const { pathname, searchParams } = new URL(url, 'http://cluster');
  const { group = '', namespace, resource, name, subresource } = resourcePath.exec(pathname)?.groups ?? {};
  if (resource === undefined) return undefined;
  return {
    verb: verbOf(method, {
      isWatch: ['1', 'true'].includes(searchParams.get('watch') ?? ''),
      isNamed: name !== undefined,
    }),
    group,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
}

function verbOf(method: string, { isWatch, isNamed }: { readonly isWatch: boolean; readonly isNamed: boolean }) {
  if (isWatch) return 'watch';
  if (method === 'GET') return isNamed ? 'get' : 'list';
  return { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method] ?? method;
}

/** `system:serviceaccount:NAMESPACE:NAME` */
function impersonationOf(account: string): Permission {
  const [, , namespace = '', name = ''] = account.split(':');
  return { verb: 'impersonate', group: '', resource: 'serviceaccounts', namespace, name };
}

/** `VERB RESOURCE[/SUBRESOURCE][.GROUP]` */
export function wordsOf({ verb, group, resource }: Permission): string {
  return `${verb} ${resource}${group && `.${group}`}`;
}

/** The same for each thing that the role grants, whatever the names and namespaces. */
export function grantsOf({ rules }: Role): readonly string[] {
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => wordsOf({ verb, group, resource }))),
    ),
  );
}
