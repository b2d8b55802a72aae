import type { Execution } from '../../core/execution.ts';
import type { ListFilter } from '../../core/store.ts';
import type { PagePosition } from '../page-position.ts';
import { compareAge } from './age.ts';

/** The newest that match, behind the position given. */
export function listed(
  executions: Iterable<Execution>,
  filter: ListFilter,
  { limit, after }: { readonly limit: number; readonly after: PagePosition | undefined },
): Execution[] {
  const found: Execution[] = [];
  for (const execution of executions) {
    if (matches(execution, filter) && (after === undefined || compareAge(execution, after) < 0)) found.push(execution);
  }
  return found.sort((a, b) => compareAge(b, a)).slice(0, limit);
}

function matches({ namespace, request, status }: Execution, filter: ListFilter): boolean {
  return (
    (filter.namespaces?.includes(namespace) ?? true) &&
    (filter.step === undefined || filter.step === request.step) &&
    (filter.states?.includes(status.state) ?? true) &&
    (filter.origin === undefined || isOf(request, filter.origin))
  );
}

/** `<kind>/<namespace>/<name>`, or with `/<step>` behind it. */
function isOf({ origin }: Execution['request'], wanted: string): boolean {
  if (origin === undefined) return false;
  const object = `${origin.kind}/${origin.namespace}/${origin.name}`;
  return wanted === object || wanted === `${object}/${origin.step}`;
}
