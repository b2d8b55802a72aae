import type { Execution } from '../core/execution.ts';
import { limits } from '../core/limits.ts';
import { Problem } from '../core/problem.ts';
import type { ExecutionStore, ListFilter, Page } from '../core/store.ts';
import { sendJson, toAnswer } from './answer.ts';
import { visibleFilter } from './filters.ts';
import type { Exchange, Handlers } from './handlers.ts';
import { originFilterPattern } from './operations.ts';

const defaultPageItems = 100;
/** For a caller that may see few of many namespaces: a page ends after this many reads, however little it holds. */
const mostReads = 20;

/** Listing executions. */
export function listHandlers(parts: {
  readonly store: ExecutionStore;
  readonly ownNamespace: string;
}): Pick<Handlers, 'listExecutions'> {
  const { store, ownNamespace } = parts;

  async function read(filter: ListFilter, page: { limit: number; continue?: string }): Promise<Page> {
    try {
      return await store.list(filter, page);
    } catch (cause) {
      if (cause instanceof RangeError)
        throw new Problem('invalid-query', 'continue is not from a page before', { cause });
      throw cause;
    }
  }

  async function listExecutions({ res, caller, query }: Exchange): Promise<void> {
    const limit = limitOf(query.one('limit'));
    const origin = originOf(query.one('origin'));
    const { inStore, matches } = await visibleFilter({ query, caller, verb: 'list', ownNamespace });
    const filter = { ...inStore, ...(origin !== undefined && { origin }) };
    const items: Execution[] = [];
    let next = query.one('continue');
    for (let reads = 0; reads < mostReads && items.length < limit; reads++) {
      const page = await read(filter, { limit: limit - items.length, ...(next !== undefined && { continue: next }) });
      items.push(...page.items.filter(matches));
      next = page.continue;
      if (next === undefined) break;
    }
    sendJson(res, 200, { items: items.map(toAnswer), continue: next });
  }

  return { listExecutions };
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultPageItems;
  const limit = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limits.pageItems) {
    throw new Problem('invalid-query', `limit is a number from 1 to ${limits.pageItems}`);
  }
  return limit;
}

const wholeOrigin = new RegExp(originFilterPattern);

function originOf(text: string | undefined): string | undefined {
  if (text !== undefined && !wholeOrigin.test(text)) {
    throw new Problem('invalid-query', 'origin is <kind>/<namespace>/<name>, or with /<step> behind it');
  }
  return text;
}
