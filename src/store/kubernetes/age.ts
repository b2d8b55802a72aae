import type { PagePosition } from '../page-position.ts';

/** By (createdAt, namespace, id), the oldest first: the order of lists, turned round. */
export function compareAge(a: PagePosition, b: PagePosition): number {
  return a.createdAt - b.createdAt || compareText(a.namespace, b.namespace) || compareText(a.id, b.id);
}

/** By code unit, as databases compare the labels that keys consist of. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
