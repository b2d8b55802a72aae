import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { cdnConnectionType } from '../../../src/providers/cdn/connection-type.ts';
import { nginx } from '../../../src/providers/cdn/nginx.ts';
import { createHttpFetch } from '../../../src/providers/http-client.ts';
import { startNginx } from '../../support/nginx.ts';
import { startOrigin } from '../../support/origin.ts';
import { providerTools } from '../provider-tools.ts';
import { startCachedPages } from './cached-pages.ts';
import { assertRejected, purge, testCdnProvider } from './contract.ts';

const http = createHttpFetch({ userAgent: 'aftersync-test' });
after(() => http.close());

testCdnProvider(nginx, {
  start: () => startCachedPages({ startCache: ({ port }) => startNginx({ originPort: port }) }),
  optionsFor: (url) => ({ endpoints: [url] }),
  htmlMeans: 'Rejected',
});

for (const { name, change, message } of [
  {
    name: 'an nginx that does not let this address purge',
    change: { purgers: ['192.0.2.1'] },
    message: /answered PURGE with 403.*nginx\.conf/,
  },
  {
    name: 'an nginx without the rules, which hands PURGE on to its origin,',
    change: { edit: (text: string) => text.replace('$request_method = PURGE', '$request_method = NEVER') },
    message: /answered PURGE with 200 but without x-purge: the rules for PURGE are missing/,
  },
]) {
  it(`${name} is told apart`, async () => {
    const origin = await startOrigin();
    const server = await startNginx({ originPort: origin.port, ...change });
    const client = cdnConnectionType(nginx).open({ endpoints: [server.url] }, providerTools({ fetch: http.fetch }));
    try {
      await assert.rejects(
        purge(client, { kind: 'urls', items: ['http://www.example.com/a'], soft: false }),
        (error: Error) => {
          assertRejected(error);
          assert.match(error.message, message);
          return true;
        },
      );
    } finally {
      await server.close();
      await origin.close();
    }
  });
}

it('what is not cached counts as purged', async () => {
  const origin = await startOrigin();
  const server = await startNginx({ originPort: origin.port });
  const client = cdnConnectionType(nginx).open({ endpoints: [server.url] }, providerTools({ fetch: http.fetch }));
  const { failed } = await purge(client, { kind: 'urls', items: ['http://www.example.com/never'], soft: false });
  assert.deepEqual(failed, []);
  assert.equal(origin.requests.length, 0);
  await server.close();
  await origin.close();
});
