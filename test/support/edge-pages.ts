export interface EdgePage {
  readonly host: string;
  /** With the query. */
  readonly path: string;
  readonly tags: readonly string[];
}

export type EdgePageState = 'fresh' | 'stale' | 'dropped';

/** The pages that a CDN holds, without the servers that hold them. */
export class EdgePages {
  readonly #pages = new Map<string, { readonly page: EdgePage; state: EdgePageState }>();

  store(page: EdgePage): void {
    this.#pages.set(page.host + page.path, { page, state: 'fresh' });
  }

  purge(isMeant: (page: EdgePage) => boolean, purged: 'stale' | 'dropped'): void {
    for (const stored of this.#pages.values()) if (isMeant(stored.page)) stored.state = purged;
  }

  stateOf({ host, path }: Pick<EdgePage, 'host' | 'path'>): EdgePageState {
    return this.#pages.get(host + path)?.state ?? 'dropped';
  }
}
