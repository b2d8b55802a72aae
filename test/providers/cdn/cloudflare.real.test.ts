import { cloudflare } from '../../../src/providers/cdn/cloudflare.ts';
import { startCloudflare } from '../../support/cloudflare.ts';
import { exchange } from '../../support/exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { type CdnUnderTest, type PageState, testCdnProvider } from './contract.ts';

const credentials = { '/token': 'cf-token' };

testCdnProvider(cloudflare, {
  start: startZone,
  optionsFor: (url) => ({ zone: '0'.repeat(32), apiTokenFile: '/token', baseUrl: `${url}/client/v4` }),
  credentials,
  htmlMeans: 'open',
});

/** The stand-in's zone with its edge, whose CF-Cache-Status tells what became of a page. */
async function startZone(): Promise<CdnUnderTest> {
  const origin = await startOrigin();
  const zones = [{ name: 'example.com', plan: 'enterprise' }] as const;
  const api = await startCloudflare({ zones, edge: { originPort: origin.port } });
  const visit = async (address: string): Promise<string> => {
    const { host, pathname, search } = new URL(address);
    const { headers } = await exchange(`${api.edgeUrl}${pathname}${search}`, { headers: { host } });
    return String(headers['cf-cache-status']);
  };
  return {
    options: { zone: api.zones[0].id, apiTokenFile: '/token', baseUrl: api.apiUrl, plan: 'enterprise' },
    credentials,
    async store(pages) {
      for (const { url, tags } of pages) {
        const { pathname, search } = new URL(url);
        origin.setHeaders(pathname + search, { 'cache-control': 'public', 'cache-tag': tags.join(',') });
        await visit(url);
      }
    },
    async statesOf(pages) {
      const states: PageState[] = [];
      for (const { url } of pages) states.push(stateByStatus[await visit(url)] ?? 'dropped');
      return states;
    },
    async close() {
      await api.close();
      await origin.close();
    },
  };
}

const stateByStatus: Readonly<Record<string, PageState>> = {
  HIT: 'fresh',
  MISS: 'dropped',
  EXPIRED: 'stale',
  REVALIDATED: 'stale',
};
