import { fastly } from '../../../src/providers/cdn/fastly.ts';
import { startFastly } from '../../support/fastly.ts';
import { testCdnProvider } from './contract.ts';
import { edgeUnderTest } from './edge-under-test.ts';

const credentials = { '/token': 'fastly-token' };

testCdnProvider(fastly, {
  async start() {
    const api = await startFastly();
    const options = { service: api.service, apiTokenFile: '/token', baseUrl: api.url };
    return edgeUnderTest(api, { options, credentials });
  },
  optionsFor: (url) => ({ service: 'SU1Z0isxPaozGVKXdv0eY', apiTokenFile: '/token', baseUrl: url }),
  credentials,
  htmlMeans: 'open',
});
