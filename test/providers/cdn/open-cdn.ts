import { after } from 'node:test';
import type { JsonObject } from '../../../src/core/json.ts';
import type { CdnClient } from '../../../src/providers/cdn/cdn-client.ts';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import type { CdnProvider } from '../../../src/providers/cdn/provider.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import { providerTools, type ToolsOptions } from '../provider-tools.ts';

interface Closing {
  close(): Promise<void>;
}

const http = createHttpFetch({ userAgent: 'aftersync-test' });
const opened: Closing[] = [http];
after(() => Promise.all(opened.map((one) => one.close())));

export function closedAtEnd<T extends Closing>(server: T): T {
  opened.push(server);
  return server;
}

/** A client that speaks to real sockets. */
export function openCdn(provider: CdnProvider, options: JsonObject, tools: Omit<ToolsOptions, 'fetch'>): CdnClient {
  return cdnConnectionType(provider).open(options, providerTools({ fetch: http.fetch, ...tools }));
}
