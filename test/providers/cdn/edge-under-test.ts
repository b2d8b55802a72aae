import type { JsonObject } from '../../../src/core/json.ts';
import type { EdgePage, EdgePages } from '../../support/edge-pages.ts';
import type { CdnUnderTest, Page } from './contract.ts';

/** A stand-in whose pages can be looked at without visiting them. */
export function edgeUnderTest(
  { pages, close }: { readonly pages: EdgePages; close(): Promise<void> },
  { options, credentials }: { readonly options: JsonObject; readonly credentials: Readonly<Record<string, string>> },
): CdnUnderTest {
  return {
    options,
    credentials,
    async store(all) {
      for (const page of all) pages.store(toEdgePage(page));
    },
    statesOf: async (all) => all.map((page) => pages.stateOf(toEdgePage(page))),
    close,
  };
}

function toEdgePage({ url, tags }: Page): EdgePage {
  const { host, pathname, search } = new URL(url);
  return { host, path: pathname + search, tags };
}
