import { cloudfront } from '../../../src/providers/cdn/cloudfront.ts';
import { startCloudFront } from '../../support/cloudfront.ts';
import { testCdnProvider } from './contract.ts';
import { edgeUnderTest } from './edge-under-test.ts';

const credentials = { '/id': 'AKIDEXAMPLE', '/secret': 'cloudfront-secret' };
const files = { accessKeyIdFile: '/id', secretAccessKeyFile: '/secret' };

testCdnProvider(cloudfront, {
  async start() {
    const api = await startCloudFront({ isLimited: false });
    // By its real rates, 2,500 prefixes take three quarters of an hour.
    const unlimited = { capacity: 1_000_000, perSecond: 1_000_000 };
    const limits = { rates: { paths: unlimited, wildcards: unlimited } };
    const options = {
      distribution: api.distribution,
      hostNames: ['*.example.com'],
      ...files,
      baseUrl: api.url,
      limits,
    };
    return edgeUnderTest(api, { options, credentials });
  },
  optionsFor: (url) => ({ distribution: 'EDFDVBD6EXAMPLE', hostNames: ['*.example.com'], ...files, baseUrl: url }),
  credentials,
  htmlMeans: 'open',
  hostsShareAPath: true,
});
