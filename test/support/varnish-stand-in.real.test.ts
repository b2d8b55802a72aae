import { varnish } from '../../src/providers/cdn/varnish.ts';
import { startCachedPages } from '../providers/cdn/cached-pages.ts';
import { testCdnProvider } from '../providers/cdn/contract.ts';
import { startVarnishStandIn } from './varnish-stand-in.ts';

// The suite that the real Varnish passes keeps its stand-in honest.
testCdnProvider(varnish, {
  start: () =>
    startCachedPages({
      startCache: ({ port }) => startVarnishStandIn({ originPort: port }),
      isFresh: (headers) => headers['x-cache'] !== 'stale',
    }),
  optionsFor: (url) => ({ endpoints: [url] }),
  htmlMeans: 'Rejected',
});
